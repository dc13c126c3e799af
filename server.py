"""Start the live danmaku server: ``python server.py --help``."""

from chat.app import main

if __name__ == "__main__":
    main()
