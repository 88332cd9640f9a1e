// The smallest page that does everything: log in, see what comes as it comes, write to a user.
import { connect } from "../schoolbell.js";

const part = (id) => document.querySelector(`#${id}`);

part("login").onsubmit = async (event) => {
  event.preventDefault();
  const response = await fetch("../api/auth/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: part("username").value, password: part("password").value }),
  });
  const { success, data, message } = await response.json();
  if (!success) return show(message);
  part("login").hidden = true;
  part("page").hidden = false;
  await start(data.token);
};

async function start(token) {
  const bell = connect({ url: new URL("..", import.meta.url).href, token });
  bell.on("state", (state) => show(state === "open" ? "Connected." : "Connecting …"));
  bell.on("closed", ({ reason }) => show(`Closed: ${reason}. Reload the page to log in again.`));
  bell.on("new_message", (message) => list(`${message.sender.name}: ${message.content}`));
  bell.on("notification", (notification) => list(`${notification.title}: ${notification.message}`));
  bell.on("typing", ({ typing }) => (part("typing").textContent = typing ? "Someone is typing…" : ""));

  for (const person of await bell.people()) part("to").append(new Option(person.name, person.id));
  part("text").oninput = () => bell.typing(part("to").value);
  part("write").onsubmit = async (event) => {
    event.preventDefault();
    try {
      const sent = await bell.messages.send(part("to").value, part("text").value);
      list(`to ${sent.receiver.name}: ${sent.content}`);
      part("text").value = "";
    } catch (error) {
      show(error.message);
    }
  };
}

function list(text) {
  const item = document.createElement("li");
  item.textContent = text;
  part("events").prepend(item);
}

function show(text) {
  part("status").textContent = text;
}
