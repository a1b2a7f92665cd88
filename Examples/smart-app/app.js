// A SMART app in a browser: authorization code with PKCE, DPoP by WebCrypto, tokens in memory only.
// The way to the server and back leaves this page, so one thing must outlive it: the verifier, the state and the key
// that cannot be exported. They lie in IndexedDB until the code is exchanged, and are removed before that.

const base = "https://localhost:8443/fhir";
const redirect = location.origin + location.pathname;
const scope = "openid fhirUser launch/patient patient/Patient.rs offline_access";

let tokens = null;
let key = null;

const text = (id, value) => { document.getElementById(id).textContent = value; };
const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const utf8 = (value) => new TextEncoder().encode(value);
const random = () => encode(crypto.getRandomValues(new Uint8Array(32)));
const digest = async (value) => encode(await crypto.subtle.digest("SHA-256", utf8(value)));

// MARK: What waits for the way back

function store(mode, work) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("smart-app", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("waiting");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("waiting", mode);
      const request = work(transaction.objectStore("waiting"));
      transaction.oncomplete = () => { opening.result.close(); resolve(request.result); };
      transaction.onerror = () => reject(transaction.error);
    };
  });
}

// MARK: Proofs (RFC 9449)

async function proof(method, address, token) {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", key.publicKey);
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } };
  const claims = { htm: method, htu: address, iat: Math.floor(Date.now() / 1000), jti: random() };
  if (token) claims.ath = await digest(token);
  const content = [header, claims].map((part) => encode(utf8(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, utf8(content));
  return `${content}.${encode(signature)}`;
}

async function get(path) {
  const answer = await fetch(`${base}/${path}`, {
    credentials: "omit",
    headers: {
      Accept: "application/fhir+json", Authorization: `DPoP ${tokens.access_token}`,
      DPoP: await proof("GET", `${base}/${path.split("?")[0]}`, tokens.access_token),
    },
  });
  if (!answer.ok) throw new Error(`the record could not be read (${answer.status})`);
  return answer.json();
}

// MARK: OAuth

const configuration = async () => (await fetch(`${base}/.well-known/smart-configuration`, { credentials: "omit" })).json();

async function connect(client, launch) {
  const server = await configuration();
  const waiting = { client, state: random(), nonce: random(), verifier: random() };
  waiting.key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  await store("readwrite", (place) => place.put(waiting, "one"));
  const address = new URL(server.authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: "code", client_id: client, redirect_uri: redirect, aud: base, state: waiting.state,
    nonce: waiting.nonce, scope: launch ? scope.replace("launch/patient", "launch") : scope,
    code_challenge: await digest(waiting.verifier), code_challenge_method: "S256", ...(launch ? { launch } : {}),
  });
  location.assign(address);
}

async function ask(form) {
  const server = await configuration();
  const answer = await fetch(server.token_endpoint, {
    method: "POST", credentials: "omit", headers: { DPoP: await proof("POST", server.token_endpoint) },
    body: new URLSearchParams(form),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error_description ?? body.error);
  return body;
}

async function finish(given) {
  const waiting = await store("readonly", (place) => place.get("one"));
  await store("readwrite", (place) => place.clear());
  history.replaceState(null, "", redirect);
  const server = await configuration();
  if (!waiting || given.get("state") !== waiting.state) throw new Error("this answer was not asked for");
  if (given.get("iss") !== server.issuer) throw new Error("this answer is from another server");
  if (given.has("error")) throw new Error(given.get("error_description") ?? given.get("error"));
  key = waiting.key;
  tokens = await ask({
    grant_type: "authorization_code", code: given.get("code"), redirect_uri: redirect, client_id: waiting.client,
    code_verifier: waiting.verifier,
  });
  tokens.client = waiting.client;
  await checkIdentity(server, waiting.nonce);
  await show();
}

// OpenID Connect Core 3.1.3.7: algorithm, key, issuer, audience, time and nonce.
async function checkIdentity(server, nonce) {
  if (!tokens.id_token) return;
  const parts = tokens.id_token.split(".");
  const decode = (part) => Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(new TextDecoder().decode(decode(part))));
  const { keys } = await (await fetch(server.jwks_uri, { credentials: "omit" })).json();
  const jwk = keys.find((each) => each.kid === header.kid && each.alg === "ES256");
  if (header.alg !== "ES256" || !jwk) throw new Error("the identity is signed by nobody known");
  const published = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  const isSigned = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" }, published, decode(parts[2]), utf8(`${parts[0]}.${parts[1]}`));
  const isRight = claims.iss === server.issuer && claims.aud === tokens.client && claims.nonce === nonce
    && claims.exp * 1000 > Date.now();
  if (!isSigned || !isRight) throw new Error("the identity is not right");
}

async function show() {
  document.getElementById("settings").hidden = true;
  document.getElementById("result").hidden = false;
  text("status", `Connected for ${tokens.scope}`);
  const patient = await get(`Patient/${tokens.patient}`);
  const name = patient.name?.[0] ?? {};
  text("patient", `${[...(name.given ?? []), name.family].join(" ")}, born ${patient.birthDate ?? "?"}`);
}

async function attempt(work) {
  try { await work(); } catch (failure) { text("status", failure.message); }
}

const given = new URLSearchParams(location.search);

document.getElementById("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  const launch = given.get("iss") === base ? given.get("launch") : null;
  attempt(() => connect(document.getElementById("client").value.trim(), launch));
});
document.getElementById("refresh").addEventListener("click", () => attempt(async () => {
  const { client } = tokens;
  tokens = await ask({ grant_type: "refresh_token", refresh_token: tokens.refresh_token, client_id: client });
  tokens.client = client;
  await show();
}));

if (given.has("client")) document.getElementById("client").value = given.get("client");
if (given.has("code") || given.has("error")) {
  attempt(() => finish(given));
} else if (given.has("launch")) {
  text("status", "Opened for one patient: enter the client_id to go on.");
}
