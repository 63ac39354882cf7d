import subprocess
import sys


def test_importing_the_room_loads_no_heavy_library():
    program = "import sys, unstuck.data; print(sorted({'polars', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
