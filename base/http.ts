// Node's HTTP client and server without what `import … from 'node:http'` costs. An import takes all names of a builtin at once; one of them is WebSocket, for
// which Node 24 loads the whole of its fetch: 40 to 90 ms of a start. eslint refuses such imports elsewhere.

/** node:http, loaded by the first call. */
export const http = () => process.getBuiltinModule('node:http');
/** node:https, loaded by the first call. */
export const https = () => process.getBuiltinModule('node:https');
