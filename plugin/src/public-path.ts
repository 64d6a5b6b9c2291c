import amd from 'amd-module'

/** Where the other chunks are: beside this one, wherever Grafana (under a sub path, on a CDN) serves it from. */
declare let __webpack_public_path__: string
if (amd?.uri) __webpack_public_path__ = amd.uri.slice(0, amd.uri.lastIndexOf('/') + 1)
