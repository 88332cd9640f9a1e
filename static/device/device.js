// Turns notifications on this device on and off, and lists the devices that get them.
import { disablePush, enablePush, pushState, refreshPush } from "/push.js";

const part = (id) => document.querySelector(`#${id}`);
const status = part("status");
// For this tab alone: whoever opens the page anew logs in anew.
const server = { url: "", token: sessionStorage.getItem("schoolbell-token") };

const SENTENCES = {
  unsupported: "This browser cannot show notifications of web pages.",
  install: "On an iPhone or iPad: tap Share, then “Add to Home Screen”, and open schoolbell from there.",
  denied: "Notifications of this page are blocked. Allow them in the browser's settings for this site.",
  off: "Notifications are off on this device.",
  on: "Notifications are on: this device is told when something arrives and no page is open.",
};

const LATE = "This browser does not reach its push service. Is it blocked in this network?";

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (response.status === 401 && path !== "/api/auth/login") forget();
  if (!answer.success) throw new Error(answer.message);
  return answer.data;
}

function forget() {
  server.token = null;
  sessionStorage.removeItem("schoolbell-token");
}

async function render() {
  const known = Boolean(server.token);
  part("login").hidden = known;
  part("own").hidden = !known;
  if (!known) {
    status.textContent = "Log in to be told on this device when something arrives.";
    return;
  }
  const state = await pushState();
  status.textContent = SENTENCES[state];
  part("enable").hidden = state !== "off";
  part("disable").hidden = part("test").hidden = state !== "on";
  const devices = await call("GET", "/api/notifications/subscriptions");
  part("devices").replaceChildren(...(devices.length ? devices.map(item) : [empty()]));
}

function item(device) {
  const line = document.createElement("li");
  const since = new Date(device.createdAt).toLocaleDateString();
  line.append(`${device.browser}, since ${since} `);
  const remove = document.createElement("button");
  remove.className = "quiet";
  remove.textContent = "Remove";
  remove.setAttribute("aria-label", `Remove ${device.browser}, since ${since}`);
  remove.onclick = act(() => call("DELETE", `/api/notifications/subscriptions/${device.id}`));
  line.append(remove);
  return line;
}

function empty() {
  const line = document.createElement("li");
  line.textContent = "None yet.";
  return line;
}

/** Does something on a click, then shows how things are. */
function act(work) {
  return async (event) => {
    event.preventDefault();
    const { currentTarget } = event;
    currentTarget.disabled = true;
    status.textContent = "One moment…";
    try {
      const said = await work();
      await render();
      if (typeof said === "string") status.textContent = said;
    } catch (error) {
      await render().catch(() => {});
      status.textContent = error instanceof TypeError ? "The server cannot be reached. Try again in a moment." : error.message;
    } finally {
      currentTarget.disabled = false;
      // Whoever uses the keyboard goes on where it is said what has happened.
      if (!currentTarget.checkVisibility()) status.focus();
    }
  };
}

part("login").onsubmit = act(async () => {
  const { token } = await call("POST", "/api/auth/login", Object.fromEntries(new FormData(part("login"))));
  server.token = token;
  sessionStorage.setItem("schoolbell-token", token);
  part("login").reset();
  await refreshPush(server);
});
part("enable").onclick = act(async () => {
  const late = new Promise((_, reject) => setTimeout(reject, 30_000, new Error(LATE)));
  await Promise.race([enablePush(server), late]);
});
part("disable").onclick = act(() => disablePush(server));
part("test").onclick = act(async () => {
  const { queued } = await call("POST", "/api/notifications/test-push");
  return queued ? "A test is on its way." : "The server knows no device of yours: turn notifications off and on again.";
});
part("logout").onclick = act(async () => {
  // Logged out in any case: the next person at this computer must not be this one.
  try {
    await disablePush(server);
  } finally {
    forget();
  }
});

if (server.token) await refreshPush(server).catch(() => {});
await render().catch(async (error) => {
  await render().catch(() => {});
  status.textContent = error.message;
});
