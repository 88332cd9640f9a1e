// Where the pages are: at the root of their host, or below a path of it.
const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** The path of what the server has at `path`: of "/api/users", of a page. */
export const at = (path) => root + path;

/** The server, as push.js takes it. */
export const server = { url: root, worker: at("/sw.js") };
