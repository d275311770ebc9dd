"use strict";

// Reads /openapi.json and makes a form of each operation. Text is only ever set as text.

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function sampleOf(schema, schemas) {
  if (schema.$ref) return sampleOf(schemas[schema.$ref.split("/").pop()], schemas);
  if (schema.example !== undefined) return schema.example;
  if (schema.enum) return schema.enum[0];
  if (schema.type === "object" || schema.properties) {
    const required = new Set(schema.required || []);
    return Object.fromEntries(
      Object.entries(schema.properties || {})
        .filter(([name]) => required.has(name))
        .map(([name, inner]) => [name, sampleOf(inner, schemas)]),
    );
  }
  if (schema.format === "uuid") return "00000000-0000-0000-0000-000000000000";
  return schema.type === "integer" ? 1 : "";
}

function operationOf(path, method, operation, shared, schemas) {
  const form = element("form");
  const inputs = [];
  for (const parameter of [...shared, ...(operation.parameters || [])]) {
    const input = element("input", { required: Boolean(parameter.required) });
    if (parameter.name === "Idempotency-Key") input.value = crypto.randomUUID();
    inputs.push([parameter, input]);
    form.append(element("label", {}, `${parameter.name} (${parameter.in}) `, input));
  }
  let body = null;
  const content = operation.requestBody?.content["application/json"];
  if (content) {
    body = element("textarea", {
      value: JSON.stringify(sampleOf(content.schema, schemas), null, 2),
    });
    form.append(element("label", {}, "Body ", body));
  }
  const answer = element("pre", { hidden: true });
  form.append(element("button", { textContent: "Send" }), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let address = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") {
        address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      } else if (input.value && parameter.in === "query") query.set(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    const key = document.getElementById("key").value;
    if (key) headers["X-API-Key"] = key;
    if (body) headers["Content-Type"] = "application/json";
    const asked = query.size ? `${address}?${query}` : address;
    answer.hidden = false;
    try {
      const told = await fetch(asked, {
        method: method.toUpperCase(), headers, body: body ? body.value : undefined,
      });
      const text = await told.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
      answer.textContent = `${told.status} ${told.statusText}\n\n${shown}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  const rows = Object.entries(operation.responses).map(([status, response]) => element(
    "tr", {}, element("td", { textContent: status }),
    element("td", { textContent: response.description || "" }),
  ));
  return element(
    "details", {},
    element("summary", { textContent: `${method.toUpperCase()} ${path}` }),
    element("p", { textContent: [operation.summary, operation.description].filter(Boolean).join(" ") }),
    form, element("table", {}, ...rows),
  );
}

fetch("/openapi.json").then((told) => told.json()).then((api) => {
  const place = document.getElementById("operations");
  place.replaceChildren(element("p", { textContent: api.info.description || "" }));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (operation.responses) {
        place.append(operationOf(
          path, method, operation, item.parameters || [], api.components.schemas,
        ));
      }
    }
  }
});
