// The desktop's notification service (org.freedesktop.Notifications), on a session bus of the test's own: what a browser
// shows arrives here, and a person's click goes back.
import { spawn } from "node:child_process";
import { once } from "node:events";
import dbus from "dbus-next";
import { soon } from "./until.mjs";

const { Interface } = dbus.interface;

class Notifications extends Interface {
  constructor() {
    super("org.freedesktop.Notifications");
    this.shown = [];
    this.waiting = [];
  }

  GetCapabilities() {
    return ["actions", "body", "persistence"];
  }

  GetServerInformation() {
    return ["schoolbell-tests", "schoolbell", "1", "1.2"];
  }

  Notify(_app, replaces, _icon, summary, body, actions) {
    const id = replaces || this.shown.length + 1;
    const notification = { id, summary, body, actions };
    this.shown.push(notification);
    this.waiting.shift()?.(notification);
    return id;
  }

  CloseNotification(id) {
    this.NotificationClosed(id, 3);
  }

  ActionInvoked(id, action) {
    return [id, action];
  }

  NotificationClosed(id, reason) {
    return [id, reason];
  }

  /** The next notification that is shown. */
  next() {
    const shown = soon("a notification", new Promise((resolve) => this.waiting.push(resolve)));
    // A test that has failed by then no longer waits for it.
    shown.catch(() => {});
    return shown;
  }

  /** A person clicks. */
  click(notification) {
    this.ActionInvoked(notification.id, "default");
  }
}

Notifications.configureMembers({
  methods: {
    GetCapabilities: { inSignature: "", outSignature: "as" },
    GetServerInformation: { inSignature: "", outSignature: "ssss" },
    Notify: { inSignature: "susssasa{sv}i", outSignature: "u" },
    CloseNotification: { inSignature: "u", outSignature: "" },
  },
  signals: {
    ActionInvoked: { signature: "us" },
    NotificationClosed: { signature: "uu" },
  },
});

/** Starts a bus with the service on it. `address` is for the browser's DBUS_SESSION_BUS_ADDRESS. */
export async function startNotifications() {
  const daemon = spawn("dbus-daemon", ["--session", "--nofork", "--print-address"]);
  const [printed] = await once(daemon.stdout, "data");
  const address = printed.toString().trim();
  const bus = dbus.sessionBus({ busAddress: address });
  const service = new Notifications();
  bus.export("/org/freedesktop/Notifications", service);
  await bus.requestName("org.freedesktop.Notifications");
  const stop = () => {
    bus.disconnect();
    daemon.kill();
  };
  return { address, service, stop };
}
