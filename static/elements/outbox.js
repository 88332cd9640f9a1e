// Messages that were written and are not sent yet. They outlive a lost connection and a reload, and each is sent once: the
// server knows its `clientId`.

const RETRY = 2_000;

export class Outbox {
  // Each message has a key of its own: other tabs keep theirs beside it.
  #prefix;
  #bell;
  #waiting = [];
  #sending = false;
  #changed;

  /** `changed(entry, message)` is called when something becomes of an entry: sent as `message`, or failed. */
  constructor(bell, userId, changed) {
    this.#bell = bell;
    this.#prefix = `schoolbell-outbox:${userId}:`;
    this.#changed = changed;
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.#prefix));
      this.#waiting = keys.map((key) => JSON.parse(localStorage.getItem(key)));
      this.#waiting.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
    } catch {
      // Without storage, or with a damaged one, nothing was kept.
    }
  }

  /** What is still to be sent to a user. */
  to(partnerId) {
    return this.#waiting.filter((entry) => entry.to === partnerId);
  }

  add(to, content) {
    const entry = { clientId: crypto.randomUUID(), to, content, createdAt: new Date().toISOString() };
    this.#waiting.push(entry);
    this.#keep(entry);
    this.flush();
    return entry;
  }

  retry(entry) {
    delete entry.problem;
    this.flush();
  }

  drop(entry) {
    this.#waiting = this.#waiting.filter((other) => other !== entry);
    this.#forget(entry);
  }

  /** Sends what waits, in order; what the server will not take stays, with the reason. */
  async flush() {
    if (this.#sending) return;
    this.#sending = true;
    let entry;
    while ((entry = this.#waiting.find((one) => !one.problem))) {
      try {
        const message = await this.#bell.messages.send(entry.to, entry.content, entry.clientId);
        this.drop(entry);
        this.#changed(entry, message);
      } catch (error) {
        // Nor does it go as another user, who has logged in in another tab.
        const later = !error.status || [401, 429].includes(error.status) || error.status >= 500 || error.code === "other_person";
        if (later) {
          setTimeout(() => this.#bell.state === "open" && this.flush(), RETRY);
          break;
        }
        entry.problem = error;
        this.#changed(entry);
      }
    }
    this.#sending = false;
  }

  #keep(entry) {
    try {
      localStorage.setItem(this.#prefix + entry.clientId, JSON.stringify(entry));
    } catch {
      // Then it lives as long as the page.
    }
  }

  #forget({ clientId }) {
    try {
      localStorage.removeItem(this.#prefix + clientId);
    } catch {
      // It was not kept.
    }
  }
}
