// Messages that were written and are not sent yet. They outlive a lost connection and a reload, and each is sent once: the
// server knows its `clientId`.

const RETRY = 2_000;

export class Outbox {
  #key;
  #bell;
  #waiting = [];
  #sending = false;
  #changed;

  /** `changed(entry, message)` is called when something becomes of an entry: sent as `message`, or failed. */
  constructor(bell, userId, changed) {
    this.#bell = bell;
    this.#key = `schoolbell-outbox:${userId}`;
    this.#changed = changed;
    try {
      this.#waiting = JSON.parse(localStorage.getItem(this.#key)) ?? [];
    } catch {
      // Without storage, or with a damaged one, nothing was kept.
    }
  }

  /** What is still to be sent to somebody. */
  to(partnerId) {
    return this.#waiting.filter((entry) => entry.to === partnerId);
  }

  add(to, content) {
    const entry = { clientId: crypto.randomUUID(), to, content, createdAt: new Date().toISOString() };
    this.#waiting.push(entry);
    this.#keep();
    this.flush();
    return entry;
  }

  retry(entry) {
    delete entry.problem;
    this.flush();
  }

  drop(entry) {
    this.#waiting = this.#waiting.filter((other) => other !== entry);
    this.#keep();
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
        const later = !error.status || error.status === 429 || error.status >= 500 || error.status === 401;
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

  #keep() {
    try {
      if (this.#waiting.length) localStorage.setItem(this.#key, JSON.stringify(this.#waiting));
      else localStorage.removeItem(this.#key);
    } catch {
      // Then they live as long as the page.
    }
  }
}
