// How the elements look. A page changes it by these variables on the element or above it:
//   --schoolbell-accent, --schoolbell-on-accent, --schoolbell-text, --schoolbell-quiet, --schoolbell-back,
//   --schoolbell-raised, --schoolbell-line, --schoolbell-wrong, --schoolbell-radius, --schoolbell-font
const CSS = `
:host {
  --accent: var(--schoolbell-accent, light-dark(#14539a, #8fc1ff));
  --on-accent: var(--schoolbell-on-accent, light-dark(#ffffff, #0d1a2a));
  --text: var(--schoolbell-text, light-dark(#1b1f27, #e9e9e4));
  --quiet: var(--schoolbell-quiet, light-dark(#565d6b, #a9afbb));
  --back: var(--schoolbell-back, light-dark(#ffffff, #1c2027));
  --raised: var(--schoolbell-raised, light-dark(#eef1f5, #2a303a));
  --line: var(--schoolbell-line, light-dark(#d5dae2, #3a414d));
  --wrong: var(--schoolbell-wrong, light-dark(#a3190c, #ff9c8f));
  --radius: var(--schoolbell-radius, 0.6rem);
  color: var(--text);
  font: 1rem/1.45 var(--schoolbell-font, system-ui, sans-serif);
  color-scheme: light dark;
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
button, input, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; border-radius: var(--radius); padding: 0.4rem 0.6rem; }
button:disabled { opacity: 0.55; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.icon { width: 1.5rem; height: 1.5rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round;
  stroke-linejoin: round; display: block; }
:host([dir="rtl"]) .icon.turn { transform: scaleX(-1); }
.quiet { color: var(--quiet); font-size: 0.85rem; }
.wrong { color: var(--wrong); }
.badge { min-width: 1.35rem; padding: 0 0.35rem; border-radius: 1rem; background: var(--accent); color: var(--on-accent);
  font-size: 0.8rem; font-weight: 700; line-height: 1.35rem; text-align: center; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
ul, ol { margin: 0; padding: 0; list-style: none; }
p { margin: 0; }

/* The bell. */
:host(schoolbell-bell) { display: inline-block; position: relative; }
.ring { position: relative; padding: 0.5rem; }
.ring:hover { background: var(--raised); }
.ring .badge { position: absolute; inset-block-start: 0; inset-inline-end: 0; }
.panel { position: absolute; z-index: 10; inset-block-start: calc(100% + 0.4rem); inset-inline-end: 0; width: min(24rem, 92vw);
  max-height: min(32rem, 75vh); display: flex; flex-direction: column; background: var(--back); border: 1px solid var(--line);
  border-radius: var(--radius); box-shadow: 0 0.5rem 1.5rem rgb(0 0 0 / 25%); }
.panel header { display: flex; align-items: center; justify-content: space-between; gap: 0.5rem; padding: 0.6rem 0.9rem;
  border-block-end: 1px solid var(--line); font-weight: 700; }
.panel header h2 { margin: 0; font-size: 1.05rem; }
.link { color: var(--accent); font-weight: 600; font-size: 0.9rem; }
.scroll { overflow-y: auto; overscroll-behavior: contain; }
.note { display: block; width: 100%; text-align: start; border-radius: 0; padding: 0.7rem 0.9rem; border-block-end: 1px solid var(--line); }
.note:hover { background: var(--raised); }
.note strong, .note span { display: block; overflow-wrap: anywhere; white-space: pre-line; }
.note[data-unread] { border-inline-start: 4px solid var(--accent); }
.empty { padding: 1.6rem 1rem; text-align: center; color: var(--quiet); }
.more { width: 100%; color: var(--accent); font-weight: 600; padding: 0.7rem; }
@media (max-width: 40rem) { .panel { position: fixed; inset-block-start: auto; inset-inline: 0.5rem; width: auto; } }

/* The chat. */
:host(schoolbell-chat) { display: flex; flex-direction: column; height: 32rem; min-height: 16rem; container-type: inline-size; border: 1px solid var(--line);
  border-radius: var(--radius); overflow: hidden; background: var(--back); }
.chat { display: grid; grid-template-columns: minmax(14rem, 20rem) 1fr; grid-template-rows: minmax(0, 1fr); flex: 1; min-height: 0; }
.list, .window { display: flex; flex-direction: column; min-width: 0; min-height: 0; height: 100%; }
.list { border-inline-end: 1px solid var(--line); }
.find { padding: 0.6rem; border-block-end: 1px solid var(--line); }
.find input { width: 100%; padding: 0.5rem 0.75rem; background: var(--raised); border: 1px solid var(--quiet); border-radius: 2rem; }
.list .scroll { flex: 1; }
.list h3 { margin: 0; padding: 0.6rem 0.9rem 0.2rem; font-size: 0.85rem; color: var(--quiet); }
.talk { display: grid; grid-template-columns: auto 1fr auto; gap: 0 0.7rem; width: 100%; align-items: center; text-align: start;
  padding: 0.6rem 0.8rem; border-radius: 0; }
.talk:hover { background: var(--raised); }
.talk[aria-current] { background: var(--raised); box-shadow: inset 4px 0 var(--accent); }
:host([dir="rtl"]) .talk[aria-current] { box-shadow: inset -4px 0 var(--accent); }
.talk .name, .talk .last { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
.talk .name, .talk .last { text-align: -webkit-match-parent; }
.talk .name { font-weight: 600; }
.place { margin-inline-start: 0.5em; font-weight: normal; font-size: 0.875em; }
.talk .text { min-width: 0; }
.talk .side { display: flex; flex-direction: column; align-items: end; gap: 0.2rem; }
.face { position: relative; width: 2.5rem; height: 2.5rem; border-radius: 50%; background: var(--raised); border: 1px solid var(--line);
  display: grid; place-items: center; font-weight: 700; font-size: 0.95rem; }
.face[data-online]::after { content: ""; position: absolute; inset-block-end: -1px; inset-inline-end: -1px; width: 0.8rem;
  height: 0.8rem; border-radius: 50%; background: #1a8f4a; border: 2px solid var(--back); }
.window > header { display: flex; align-items: center; gap: 0.7rem; padding: 0.5rem 0.8rem; border-block-end: 1px solid var(--line); }
.window > header h2 { margin: 0; font-size: 1.05rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.window > header div { min-width: 0; }
.window .back { display: none; }
.more-menu { position: relative; margin-inline-start: auto; }
.more-menu summary { list-style: none; cursor: pointer; padding: 0.3rem 0.7rem; border-radius: var(--radius); font-weight: 700; }
.more-menu summary::-webkit-details-marker { display: none; }
.more-menu summary:hover { background: var(--raised); }
.sheet { position: absolute; z-index: 5; inset-block-start: 100%; inset-inline-end: 0; width: min(18rem, 80vw); padding: 0.4rem;
  background: var(--back); border: 1px solid var(--line); border-radius: var(--radius); box-shadow: 0 0.5rem 1.5rem rgb(0 0 0 / 25%); }
.sheet button { width: 100%; text-align: start; padding: 0.55rem 0.6rem; }
.sheet button:hover { background: var(--raised); }
.sheet p { padding: 0.2rem 0.6rem 0.4rem; }
.note-line { padding: 0.5rem 0.9rem; }
.note-line:empty { display: none; }
.messages { flex: 1; overflow-y: auto; padding: 0.8rem; display: flex; flex-direction: column; gap: 0.3rem; }
.messages > :first-child { margin-block-start: auto; }
.day { align-self: center; padding: 0.1rem 0.8rem; color: var(--quiet); font-size: 0.85rem; }
.message { max-width: min(80%, 36rem); padding: 0.45rem 0.75rem; border-radius: var(--radius); background: var(--raised);
  align-self: start; overflow-wrap: anywhere; }
.message p { white-space: pre-wrap; }
.message .meta { display: flex; gap: 0.4rem; justify-content: end; align-items: center; font-size: 0.75rem; color: var(--quiet); }
.message.own { align-self: end; background: light-dark(#d8e6f8, #1f4068); }
.message.own .meta { color: light-dark(#3d4a5c, #c4cfdd); }
.message.failed { outline: 2px solid var(--wrong); }
.message button { padding: 0 0.4rem; font-weight: 700; text-decoration: underline; }
.message.removed p { font-style: italic; color: var(--quiet); }
.message.own.removed p { color: light-dark(#3d4a5c, #c4cfdd); }
.message-menu { position: relative; margin-inline-end: auto; }
.message-menu summary { list-style: none; cursor: pointer; min-width: 1.5rem; min-height: 1.5rem; padding: 0 0.35rem; text-align: center;
  border-radius: var(--radius); font-weight: 700; }
.message-menu summary::-webkit-details-marker { display: none; }
.message-menu .sheet { inset-block: auto 100%; inset-inline: 0 auto; width: max-content; max-width: 14rem; font-size: 0.9rem; color: var(--text); }
.message.own .message-menu .sheet { inset-inline: auto 0; }
.message-menu .sheet button { font-weight: 400; text-decoration: none; padding: 0.5rem 0.6rem; }
.notice { padding: 0.5rem 0.9rem; background: var(--raised); border-block-end: 1px solid var(--line); white-space: pre-line; }
.notice:empty { display: none; }
.report { width: min(30rem, 94vw); padding: 1.1rem; border: 1px solid var(--line); border-radius: var(--radius); background: var(--back);
  color: var(--text); }
.report::backdrop { background: rgb(0 0 0 / 45%); }
.report form { display: grid; gap: 0.7rem; }
.report h2 { margin: 0; font-size: 1.15rem; }
.report fieldset { margin: 0; padding: 0; border: 0; display: grid; gap: 0.3rem; }
.report legend { padding: 0; font-weight: 600; margin-block-end: 0.3rem; }
.report fieldset div { display: flex; gap: 0.5rem; align-items: center; min-height: 1.6rem; }
.report textarea { width: 100%; padding: 0.5rem; background: var(--back); border: 1px solid var(--quiet); border-radius: var(--radius); }
.report .buttons { display: flex; gap: 0.5rem; flex-wrap: wrap; }
.report .main { background: var(--accent); color: var(--on-accent); font-weight: 600; }
.state { min-height: 1.6rem; padding: 0 0.9rem; }
.compose { display: flex; gap: 0.5rem; align-items: end; padding: 0.6rem; border-block-start: 1px solid var(--line); }
.compose textarea { flex: 1; resize: none; max-height: 9rem; padding: 0.5rem 0.75rem; background: var(--back);
  border: 1px solid var(--quiet); border-radius: var(--radius); field-sizing: content; }
.compose button { background: var(--accent); color: var(--on-accent); padding: 0.55rem; }
.offline { padding: 0.35rem 0.9rem; background: var(--raised); font-size: 0.9rem; text-align: center; }
@container (max-width: 40rem) {
  .chat { grid-template-columns: 1fr; }
  .chat[data-open] .list { display: none; }
  .chat:not([data-open]) .window { display: none; }
  .list { border-inline-end: 0; }
  .window .back { display: block; }
}
`;

let made;

/** One style sheet for all elements: it needs no exception from a page's Content-Security-Policy. */
export function sheet() {
  if (!made) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
