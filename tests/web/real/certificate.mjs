// A certificate that signs itself, for these hosts and 127.0.0.1 (X.509 in DER, RFC 5280).
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** `{ certificate, key }` in PEM, and `spkiHash`, by which Chromium takes it. */
export function selfSigned(hosts) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const name = der(0x30, der(0x31, der(0x30, der(0x06, "\x55\x04\x03"), der(0x0c, "a push service of the tests"))));
  // ecdsa-with-SHA256
  const algorithm = der(0x30, der(0x06, "\x2a\x86\x48\xce\x3d\x04\x03\x02"));
  const time = (days) => der(0x17, new Date(Date.now() + days * 864e5).toISOString().replace(/^..|[-:T]|\.\d+/g, ""));
  const names = [...hosts.map((host) => der(0x82, host)), der(0x87, "\x7f\0\0\x01")];
  const extension = der(0x30, der(0x06, "\x55\x1d\x11"), der(0x04, der(0x30, ...names)));
  const body = der(
    0x30,
    der(0xa0, der(0x02, "\x02")),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    der(0x30, time(-1), time(30)),
    name,
    spki,
    der(0xa3, der(0x30, extension)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]);
  const lines = der(0x30, body, algorithm, der(0x03, signature))
    .toString("base64")
    .match(/.{1,64}/g);
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    spkiHash: createHash("sha256").update(spki).digest("base64"),
  };
}

function der(tag, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part, "latin1")));
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
