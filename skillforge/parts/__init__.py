"""The nouns of SkillForge as small typed classes, one file a noun."""
