import assert from "node:assert/strict";

/** Waits until `check` is true, and fails after `seconds`. */
export async function until(what, check, seconds = 10) {
  const end = Date.now() + seconds * 1_000;
  while (!(await check())) {
    if (Date.now() > end) assert.fail(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** What `promise` resolves to, or a failure after `seconds`: a browser need not answer. */
export async function soon(what, promise, seconds = 30) {
  let timer;
  const late = new Promise(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`${what}: no answer within ${seconds} s`)), seconds * 1_000)),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
