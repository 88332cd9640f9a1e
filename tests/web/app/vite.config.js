import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const packaged = (name) => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));

export default defineConfig({
  plugins: [react()],
  // The hook lies outside of this folder, and takes React from its page.
  resolve: { alias: { react: packaged("react"), "react-dom": packaged("react-dom") } },
  build: { target: "esnext" },
  logLevel: "warn",
});
