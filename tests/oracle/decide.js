// Reads {instances, requests} from stdin, and prints the decision of @clerk/backend for each request.

import { createClerkClient } from "@clerk/backend";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { instances, requests } = JSON.parse(Buffer.concat(chunks).toString());

// Suppress the library's warnings about invalid requests.
for (const name of ["log", "warn", "error", "info"]) console[name] = () => {};

const decisions = [];
for (const { instance, method, url, headers } of requests) {
  const { publishableKey, jwtKey, authorizedParties } = instances[instance];
  const client = createClerkClient({ publishableKey, jwtKey, secretKey: "sk_test_unused" });
  const request = new Request(url, { method, headers });
  let decision;
  try {
    const state = await client.authenticateRequest(request, { jwtKey, authorizedParties, publishableKey });
    const signedIn = state.status === "signed-in" && state.toAuth().userId;
    decision = { status: signedIn ? "signed-in" : state.status === "signed-in" ? "signed-out" : state.status, reason: state.reason };
  } catch (error) {
    decision = { status: "error", reason: error.message };
  }
  decisions.push(decision);
}
process.stdout.write(JSON.stringify(decisions));
