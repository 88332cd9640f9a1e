import assert from "node:assert/strict";

/** Waits until `check` is true, and fails after `seconds`. */
export async function until(what, check, seconds = 10) {
  const end = Date.now() + seconds * 1_000;
  while (!(await check())) {
    if (Date.now() > end) assert.fail(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
