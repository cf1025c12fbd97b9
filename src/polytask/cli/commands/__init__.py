"""Commands of polytask, one file each."""
