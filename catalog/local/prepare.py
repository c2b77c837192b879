"""``python -m catalog.local.prepare``: makes the bundled servers ready to start.

``make setup`` runs it, so that a missing system library shows at once and the first
``catalog up`` need not assemble anything.
"""

import sys

from catalog.errors import StackError
from catalog.local import mongod, typesense_server
from catalog.local.preflight import check_libraries, check_platform


def main() -> int:
    """Check and assemble; the exit code tells whether all is well."""
    try:
        check_platform()
        check_libraries("MongoDB", mongod.find_binary())
        check_libraries("Typesense", typesense_server.ensure_binary())
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("The bundled MongoDB and Typesense are ready to start.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
