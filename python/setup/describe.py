"""Says, as one line of JSON, what the set-up needs to know of the interpreter that runs it."""

import importlib.util
import json
import mimetypes
import os
import site
import sys
import sysconfig

config = sysconfig.get_config_var
packages = getattr(site, "getsitepackages", list)()

print(
    json.dumps(
        {
            "version": list(sys.version_info[:3]),
            "implementation": sys.implementation.name,
            # The file itself, behind version managers' shims and virtual environments' links.
            "executable": os.path.realpath(sys.executable),
            "prefix": sys.base_prefix,
            "platformFolder": sys.platlibdir if sys.version_info >= (3, 9) else "lib",
            "standardLibrary": os.path.realpath(sysconfig.get_path("stdlib")),
            # Debian's interpreters look for packages under another name than everybody else's.
            "packagesFolder": "dist-packages"
            if any(p.endswith("dist-packages") for p in packages)
            else "site-packages",
            "multiarch": config("MULTIARCH") or os.uname().machine + "-linux-gnu",
            "libraryFolders": sorted({p for p in (config("LIBDIR"), os.path.join(sys.base_prefix, "lib")) if p}),
            "freeThreaded": bool(config("Py_GIL_DISABLED")),
            "hasPip": importlib.util.find_spec("pip") is not None,
            "hasVenv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
            "mimeTypes": mimetypes.types_map,
        }
    )
)
