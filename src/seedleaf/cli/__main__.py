"""`python -m seedleaf.cli`, where the console script is not on the path."""

from seedleaf.cli import main

if __name__ == "__main__":
    main()
