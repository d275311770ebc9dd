"use strict";

// Reads /openapi.json and makes a form of each operation. Text is only ever set as text.

const KEY_IN_CURL = "$DAYSTAR_KEY"; // a key in a command line stays in its history
const METHODS = ["get", "post", "put", "patch", "delete"];
let api;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function resolved(node) {
  let found = node;
  while (found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((place, step) => place[step], api);
  }
  return found;
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function newKey() {
  return crypto.randomUUID ? crypto.randomUUID() : String(Date.now() + Math.random());
}

// Schemas, as tables.

function typeOf(schema) {
  const known = resolved(schema);
  const type = [known.type || (known.properties ? "object" : "anything")].flat().join(" or ");
  if (known.items) return `list of ${typeOf(known.items)}`;
  return known.format ? `${type} (${known.format})` : type;
}

function limitsOf(schema) {
  const said = [];
  if (schema.enum) said.push(`one of ${schema.enum.join(", ")}`);
  if (schema.const !== undefined) said.push(`always ${JSON.stringify(schema.const)}`);
  if (schema.minLength !== undefined || schema.maxLength !== undefined) {
    said.push(`${schema.minLength ?? 0} to ${schema.maxLength ?? "any number of"} characters`);
  }
  if (schema.minimum !== undefined || schema.maximum !== undefined) {
    said.push(`from ${schema.minimum ?? "any"} to ${schema.maximum ?? "any"}`);
  }
  if (schema.pattern) said.push(`like ${schema.pattern}`);
  if (schema.default !== undefined && schema.default !== null) said.push(`else ${schema.default}`);
  return said.join("; ");
}

function rowsOf(schema, depth) {
  const known = resolved(schema);
  const inner = known.items ? resolved(known.items) : known;
  const required = new Set(inner.required || []);
  return Object.entries(inner.properties || {}).flatMap(([name, raw]) => {
    const field = resolved(raw);
    return [
      element(
        "tr", {},
        element(
          "td", { className: depth ? "inner" : "" },
          element("code", { textContent: "· ".repeat(depth) + name + (required.has(name) ? "" : "?") }),
        ),
        element("td", { textContent: typeOf(raw) }),
        element("td", {
          textContent: [field.properties ? "" : field.description, limitsOf(field)]
            .filter(Boolean).join(" ").replaceAll("`", ""),
        }),
      ),
      ...rowsOf(field, depth + 1),
    ];
  });
}

function schemaTable(schema) {
  const rows = rowsOf(schema, 0);
  if (!rows.length) return element("p", { className: "told", textContent: typeOf(schema) });
  const heads = ["field (? may be missing)", "type", "means"];
  const head = element("tr", {}, ...heads.map((text) => element("th", { textContent: text, scope: "col" })));
  return element(
    "div", { className: "scrolls", tabIndex: 0 },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)),
  );
}

// What is answered, with examples.

function examplesOf(content) {
  const named = Object.entries(content.examples || {}).map(([name, raw]) => [name, resolved(raw).value]);
  return content.example === undefined ? named : [["", content.example], ...named];
}

function answerOf(status, raw) {
  const response = resolved(raw);
  const parts = [];
  for (const [type, content] of Object.entries(response.content || {})) {
    parts.push(element("p", { className: "told", textContent: type }));
    for (const [name, value] of examplesOf(content)) {
      if (name) parts.push(element("h3", {}, element("code", { textContent: name })));
      parts.push(element("pre", { textContent: shown(value), tabIndex: 0 }));
    }
    parts.push(schemaTable(content.schema));
  }
  const headers = Object.entries(response.headers || {}).map(([name, known]) => element(
    "tr", {},
    element("td", {}, element("code", { textContent: name })),
    element("td", { textContent: resolved(known).description }),
  ));
  parts.push(element("h3", { textContent: "Headers" }), element("table", {}, ...headers));
  return element(
    "details", { className: "answer" },
    element(
      "summary", {},
      element("span", { className: status < "400" ? "good" : "bad", textContent: status }),
      ` ${response.description}`,
    ),
    ...parts,
  );
}

// Trying it.

function requestOf(path, method, inputs, body) {
  let address = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") {
      address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (input.value && parameter.in === "query") query.set(parameter.name, input.value);
    else if (input.value) headers[parameter.name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  const text = query.toString();
  return {
    address: text ? `${address}?${text}` : address,
    method: method.toUpperCase(),
    headers,
    body: body ? body.value : undefined,
  };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curlOf(request, keyed) {
  const words = [`curl ${quoted(location.origin + request.address)}`];
  if (request.method !== "GET") words.push(`-X ${request.method}`);
  if (keyed) words.push(`-H "X-API-Key: ${KEY_IN_CURL}"`);
  for (const [name, value] of Object.entries(request.headers)) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.body !== undefined) words.push(`--data ${quoted(request.body)}`);
  return words.join(" \\\n  ");
}

async function send(request, place) {
  place.replaceChildren(element("p", { textContent: "Asking…" }));
  const key = document.getElementById("key").value.trim();
  const headers = key ? { ...request.headers, "X-API-Key": key } : request.headers;
  const { method, body } = request;
  try {
    const told = await fetch(request.address, { method, headers, body, credentials: "omit" });
    const text = await told.text();
    let said = text;
    try { said = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
    const named = [...told.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    place.replaceChildren(
      element("p", {
        className: told.ok ? "good" : "bad", textContent: `${told.status} ${told.statusText}`,
      }),
      element("pre", { textContent: said, tabIndex: 0 }),
      element(
        "details", { className: "answer" },
        element("summary", { textContent: "Headers" }), element("pre", { textContent: named }),
      ),
    );
  } catch (error) {
    place.replaceChildren(element("p", { className: "bad", textContent: String(error) }));
  }
}

function inputOf(parameter) {
  const schema = parameter.schema || {};
  const input = element("input", {
    required: Boolean(parameter.required), autocomplete: "off", spellcheck: false,
    placeholder: String(parameter.example ?? schema.example ?? schema.default ?? ""),
  });
  const told = [parameter.description, schema.description, typeOf(schema), limitsOf(schema)];
  const label = element(
    "label", {},
    element("span", {}, element("code", { textContent: parameter.name }), ` ${parameter.in}`,
      parameter.required ? ", required" : ""),
    input,
    element("span", { className: "told", textContent: told.filter(Boolean).join(" · ") }),
  );
  if (parameter.name !== "Idempotency-Key") return [label, input];
  input.value = newKey();
  const renew = element("button", { type: "button", textContent: "New key" });
  renew.addEventListener("click", () => {
    input.value = newKey();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return [element("div", {}, label, renew), input];
}

function formOf(path, method, operation, shared) {
  const form = element("form", {});
  const inputs = [];
  for (const raw of [...shared, ...(operation.parameters || [])]) {
    const parameter = resolved(raw);
    const [label, input] = inputOf(parameter);
    inputs.push([parameter, input]);
    form.append(label);
  }
  const content = operation.requestBody?.content["application/json"];
  let body = null;
  if (content) {
    body = element("textarea", { value: shown(content.example ?? {}), spellcheck: false });
    form.append(element("label", {}, "Body", body));
  }
  const curl = element("pre", { tabIndex: 0 });
  const copy = element("button", { type: "button", textContent: "Copy curl" });
  const keyed = operation.security.length > 0;
  const request = () => requestOf(path, method, inputs, body);
  const renew = () => { curl.textContent = curlOf(request(), keyed); };
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(curl.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(curl);
      copy.textContent = "Marked: copy it";
    }
    setTimeout(() => { copy.textContent = "Copy curl"; }, 2000);
  });
  const answer = element("div", { role: "status" });
  form.addEventListener("input", renew);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(request(), answer);
  });
  renew();
  const buttons = element("div", { className: "row" }, element("button", { type: "submit", textContent: "Send" }), copy);
  form.append(curl, buttons, answer);
  return form;
}

// The page.

function insideOf(path, method, operation, shared) {
  const asked = operation.requestBody?.content["application/json"]?.schema;
  const said = (operation.description || "").split("\n\n").filter(Boolean);
  return element(
    "div", { className: "inside" },
    ...said.map((text) => element("p", { textContent: text.replaceAll("`", "") })),
    operation.security.length ? null : element("p", { className: "told", textContent: "No key is needed." }),
    element("h3", { textContent: "Try it" }),
    formOf(path, method, operation, shared),
    asked ? element("h3", { textContent: "Body" }) : null,
    asked ? schemaTable(asked) : null,
    element("h3", { textContent: "Answers" }),
    ...Object.entries(operation.responses).map(([status, response]) => answerOf(status, response)),
  );
}

function operationOf(path, method, operation, shared) {
  const made = element(
    "details", { className: "operation", id: operation.operationId },
    element(
      "summary", {},
      element("span", { className: `method ${method}`, textContent: method.toUpperCase() }),
      element("span", { className: "path", textContent: path }),
      element("span", { className: "says", textContent: operation.summary }),
    ),
  );
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) made.append(insideOf(path, method, operation, shared));
  });
  const link = element("a", { href: `#${operation.operationId}`, textContent: operation.summary });
  const words = [path, method, operation.summary, operation.description, operation.operationId];
  return { made, link, words: words.join(" ").toLowerCase() };
}

function groupsOf() {
  const groups = new Map(api.tags.map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const operation = operationOf(path, method, item[method], item.parameters || []);
      groups.get(item[method].tags[0]).operations.push(operation);
    }
  }
  return [...groups.values()].filter((group) => group.operations.length);
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named || !named.matches("details")) return;
  named.open = true;
  named.querySelector("summary").focus({ preventScroll: true });
  named.scrollIntoView();
}

function lay(groups) {
  const place = document.getElementById("operations");
  const contents = document.getElementById("contents");
  const nothing = element("p", { textContent: "Nothing is called so.", hidden: true });
  place.replaceChildren(
    element("p", { textContent: (api.info.description || "").replaceAll("`", "") }), nothing,
  );
  for (const group of groups) {
    group.title = element("h2", { textContent: group.tag.name });
    group.told = element("p", { className: "told", textContent: group.tag.description || "" });
    group.name = element("h2", { textContent: group.tag.name });
    place.append(group.title, group.told, ...group.operations.map((operation) => operation.made));
    contents.append(group.name, ...group.operations.map((operation) => operation.link));
  }
  document.getElementById("asking").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const group of groups) {
      let here = 0;
      for (const { made, link, words } of group.operations) {
        made.hidden = link.hidden = !wanted.every((word) => words.includes(word));
        here += made.hidden ? 0 : 1;
      }
      group.title.hidden = group.told.hidden = group.name.hidden = here === 0;
      found += here;
    }
    nothing.hidden = found > 0;
  });
}

fetch("/openapi.json").then((told) => told.json()).then((described) => {
  api = described;
  lay(groupsOf());
  addEventListener("hashchange", openNamed);
  openNamed();
}).catch((error) => {
  document.getElementById("operations").textContent = `The document could not be read: ${error}`;
});
