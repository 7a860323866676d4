"""`python -m skillforge`."""

from skillforge.cli import main

if __name__ == "__main__":
    main()
