// The server's routes, for its own pages: a cookie says who asks.
import { dataOf } from "../push.js";
import { at } from "./base.js";

/** Told when the session is over, so that the page can ask to log in. */
export const session = new EventTarget();

// Whose page this is, and the browser's other tabs, which share the cookie.
let personId;
const tabs = new BroadcastChannel("schoolbell-session");
tabs.onmessage = ({ data }) => {
  if (personId !== undefined && data.personId !== personId) end();
};

/** From now on this page is a user's; `undefined`: nobody's. The other tabs are told, and those of another user end. */
export function belongTo(id) {
  personId = id;
  tabs.postMessage({ personId: id });
}

function end() {
  personId = undefined;
  session.dispatchEvent(new Event("over"));
}

/** An answer's data, with `paging` where it is a list. Throws a SchoolbellError, or a TypeError without a connection. */
export function api(method, path, body) {
  return ask(method, path, body, dataOf);
}

/** An answer that is a file, as a Blob. Throws as `api` does. */
export function apiFile(method, path, body) {
  return ask(method, path, body, (response) => (response.ok ? response.blob() : dataOf(response)));
}

/** As `api`, of something that has a version: gives `{ data, version }`, and changes the version that was read. */
export function apiVersioned(method, path, body, version) {
  const read = async (response) => ({ data: await dataOf(response), version: response.headers.get("etag") });
  return ask(method, path, body, read, true, version && { "if-match": version });
}

async function ask(method, path, body, read, again = true, headers = {}) {
  const file = body instanceof Blob || body instanceof FormData;
  const response = await fetch(at(path), {
    method,
    headers: { ...type(body), ...(personId && { "x-schoolbell-user": personId }), ...headers },
    body: file ? body : body && JSON.stringify(body),
  });
  try {
    return await read(response);
  } catch (error) {
    const logIn = [
      "credentials_invalid",
      "setup_code_invalid",
      "password_link_invalid",
      "second_factor_required",
      "second_factor_invalid",
    ].includes(error.code);
    if ((error.status === 401 && !logIn) || error.code === "other_person") end();
    if (error.code !== "confirmation_required" || !again) throw error;
    // Loaded when it is needed: it calls this module itself.
    const { askAgain } = await import("./confirmation.js");
    await askAgain(error);
    return ask(method, path, body, read, false, headers);
  }
}

/** The media type of a body; a form says its own. */
function type(body) {
  if (body === undefined || body instanceof FormData) return {};
  if (!(body instanceof Blob)) return { "content-type": "application/json" };
  return { "content-type": /\.zip$/i.test(body.name ?? "") ? "application/zip" : "text/csv" };
}

/** `?a=1&b=2` of what is given and not empty. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
