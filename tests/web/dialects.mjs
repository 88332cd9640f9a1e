// Front ends as schools have them, each in the dialect of its framework and its authors. They run in a page of another origin: `api` is
// the base URL that each has one of, `token` what its own back end signed, `partner` whom it writes to.

const headers = (token, more) => ({ authorization: `Bearer ${token}`, "content-type": "application/json", ...more });

async function call(method, url, token, body, more) {
  const response = await fetch(url, { method, headers: headers(token, more), body: body && JSON.stringify(body), credentials: "include" });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${answer.message}`);
  return answer.data;
}

/** A notification service on axios: slashes at the end, `itemsPerPage`, `unreadCount`. */
export async function notifications({ api, token }) {
  const list = await call("GET", `${api}/notifications/?page=1&itemsPerPage=20`, token);
  const second = await call("GET", `${api}/notifications/?page=2&itemsPerPage=20`, token);
  const { unreadCount } = await call("GET", `${api}/notifications/unread-count/`, token);
  const read = await call("PATCH", `${api}/notifications/${list[0].id}/read/`, token);
  await call("POST", `${api}/notifications/read-all/`, token);
  const { count } = await call("GET", `${api}/notifications/unread-count/`, token);
  return { listed: list.length, second: second.length, unreadCount, read: read.read, count };
}

/** Alumni's messages: `/messages/send`, `message` for the text, PATCH. */
export async function alumni({ api, token, partner }) {
  const sent = await call("POST", `${api}/messages/send`, token, {
    receiverId: partner,
    message: "from an alumna",
    subject: "",
    attachments: [],
  });
  const history = await call("GET", `${api}/messages/conversation/${partner}?page=1&limit=50`, token);
  await call("PATCH", `${api}/messages/read/${partner}`, token);
  const { count } = await call("GET", `${api}/messages/unread-count`, token);
  return { sent: sent.content, last: history.at(-1).content, count };
}

/** A campus market: numbers for ids, `size`, a cache buster. */
export async function market({ api, token, partner }) {
  const sent = await call("POST", `${api}/messages`, token, { recipientId: Number(partner), text: "still for sale?", type: "TEXT" });
  const conversations = await call("GET", `${api}/messages/conversations?page=1&size=50&t=${Date.now()}`, token);
  await call("POST", `${api}/messages/read/${partner}`, token);
  return { to: sent.receiverId, partners: conversations.map(({ partner }) => partner.id) };
}

/** A service that asks for what is unread alone, in three ways. */
export async function unread({ api, token }) {
  const lists = await Promise.all(
    ["unreadOnly=true", "isRead=false", "read=false"].map((query) => call("GET", `${api}/notifications?${query}&skip=0&limit=1000`, token)),
  );
  return lists.map((list) => list.length);
}

/** An edtech platform: `/api/v1`, a header of its own, `PUT …/read-all`. */
export async function platform({ api, token, partner }) {
  const more = { "x-app-version": "7.3", "x-requested-with": "XMLHttpRequest" };
  const base = `${api}/v1`;
  await call("POST", `${base}/messages/send`, token, { to: partner, content: "from the platform" }, more);
  await call("PUT", `${base}/notifications/read-all`, token, undefined, more);
  const list = await call("GET", `${base}/notifications?offset=0&pageSize=5`, token, undefined, more);
  const { user } = { user: await call("GET", `${base}/auth/me`, token, undefined, more) };
  return { read: list.every((one) => one.read), role: user.role };
}
