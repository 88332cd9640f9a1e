// What a back end in TypeScript writes: see docs/clients.md.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [url, key, userId] = process.argv.slice(2);
const bell = createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${key}` } });

const { data, error } = await bell.POST("/api/notifications", {
  body: { userId, type: "assignment.graded", title: "Your assignment was graded", message: "Maths, fractions" },
});
if (error) throw new Error(`${error.code}: ${error.message}`);
console.log(`TypeScript: ${data.data.recipients} recipient`);

const wrong = await bell.POST("/api/notifications", {
  body: { userId, type: "assignment.graded", title: "", message: "x" },
});
if (wrong.error?.code !== "validation_failed") throw new Error("an empty title was taken");
if (wrong.error.details?.[0]?.field !== "title") throw new Error(JSON.stringify(wrong.error));
