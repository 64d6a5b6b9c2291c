import amd from 'amd-module'

/** The other chunks are beside this one, wherever Grafana serves it from (a sub path, a CDN). */
declare let __webpack_public_path__: string
if (amd?.uri) __webpack_public_path__ = amd.uri.slice(0, amd.uri.lastIndexOf('/') + 1)
