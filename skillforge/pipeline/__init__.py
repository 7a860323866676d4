"""The stages: evaluate, grade, compare. One file a stage; each reads as its story."""
