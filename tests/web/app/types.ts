// What a developer in TypeScript writes; it is checked, never run.
import { connect, enablePush, SchoolbellError, type Message } from "../../../static/schoolbell.js";
import { useSchoolbell } from "../../../static/schoolbell-react.js";

const bell = connect({ url: "https://bell.school.example", token: async () => "token", since: 41 });
const off: () => void = bell.on("new_message", (message) => {
  const content: string = message.content;
  bell.messages.markRead(message.senderId, message.id).then(({ updated }) => console.log(content, updated));
});
bell.on("*", (name, data) => console.log(name === "typing", data));
bell.on("closed", ({ code }) => code === 4503 && off());
// @ts-expect-error: there is no such event.
bell.on("messages", () => {});
const sent: Promise<Message | string> = bell.messages
  .send("teacher", "Thank you!")
  .catch((error: SchoolbellError) => `${error.status} ${error.code}`);
console.log(sent, enablePush(await bell.server()));

export function Bell({ token }: { token: string | null }) {
  const { isConnected, notifications, unread, markRead } = useSchoolbell(token);
  // @ts-expect-error: an id, not the notification.
  markRead(notifications[0]);
  return `${isConnected} ${unread.notifications} ${notifications[0]?.title}`;
}
