// <schoolbell-bell> and <schoolbell-chat>, for a page of any site:
//
//   <script type="module" src="https://bell.school.example/elements.js"></script>
//   <schoolbell-bell token="…"></schoolbell-bell>
//   <schoolbell-chat token="…"></schoolbell-chat>
//
// Without `token` the cookie of schoolbell's own pages is used. `element.token = () => myApp.freshToken()` gives fresh ones.
// All elements of a page with the same token share one connection. Colours and the font are CSS variables: see style.js.
import { SchoolbellBell } from "./elements/bell.js";
import { SchoolbellChat } from "./elements/chat.js";

// Two widgets of one page may each bring this module.
const define = (name, element) => customElements.get(name) ?? customElements.define(name, element);
define("schoolbell-bell", SchoolbellBell);
define("schoolbell-chat", SchoolbellChat);
