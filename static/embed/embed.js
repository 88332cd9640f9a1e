// Says where the module is, and that one has to be logged in.
for (const place of document.querySelectorAll(".origin")) place.textContent = new URL("..", import.meta.url).href.replace(/\/$/, "");
const answer = await fetch("../api/auth/me");
document.querySelector("#status").hidden = answer.ok;
