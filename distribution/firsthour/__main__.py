import sys

from firsthour import main

sys.exit(main())
