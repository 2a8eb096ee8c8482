"use strict";
// The status page: asks once a second what there is, and changes of the page what is not so any more. Whatever comes
// from clients or plugins is put in as text, never as markup.

const EVERY = 1000;
const LONGEST_PAUSE = 5000;
const SLOW_SHOWN = 10;
const LEFT = 499; // the client went before there was an answer
const HERE = location.origin + location.pathname; // an address may have a password in it, which fetch refuses

const byId = (id) => document.getElementById(id);
let token = "";
let version = null;
let before = null; // what the rates are counted from
let countTouched = false;

// -- words

function duration(seconds) {
  seconds = Math.max(0, seconds);
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds) % 60} s`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor(minutes / 60) % 24} h`;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let place = 0;
  while (bytes >= 1000 && place < units.length - 1) { bytes /= 1024; place += 1; }
  return `${bytes.toFixed(place && bytes < 10 ? 1 : 0)} ${units[place]}`;
}

const number = (count) => Number(count).toLocaleString("en-GB");

function clock(at) {
  const when = new Date(at * 1000);
  const day = when.toDateString() === new Date().toDateString() ? "" : when.toLocaleDateString("en-CA") + " ";
  return day + when.toLocaleTimeString("en-GB");
}

function listed(counts) {
  const found = Object.entries(counts || {}).filter(([, count]) => count);
  return found.length ? found.map(([name, count]) => `${number(count)} ${name.replace("_", " ")}`).join(", ") : "none";
}

// -- parts of the page

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function put(node, text, className) {
  if (node.textContent !== text) node.textContent = text;
  if (className !== undefined && node.className !== className) node.className = className;
}

// Keeps what has the same key, so that what is open stays open and what has the focus keeps it.
function fill(parent, items, key, make, change) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = old.get(name);
    if (child) old.delete(name);
    else { child = make(item); child.dataset.key = name; }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    change(child, item);
  }
  for (const child of old.values()) child.remove();
}

function rows(id, items, key, cells, none) {
  const body = byId(id);
  const columns = body.closest("table").querySelectorAll("th");
  const empty = items.length === 0;
  body.closest("table").tHead.hidden = empty;
  fill(body, empty ? [null] : items, (item) => (item === null ? "none" : key(item)), (item) => {
    const row = element("tr", item === null ? "none" : "");
    if (item === null) { row.append(element("td", "wide", none)); return row; }
    for (const column of columns) {
      const cell = element("td", column.className);
      cell.dataset.label = column.textContent;
      row.append(cell);
    }
    return row;
  }, (row, item) => {
    if (item === null) return;
    cells(item).forEach((said, place) => {
      const cell = row.children[place];
      const parts = Array.isArray(said) ? said : [[said, ""]];
      const className = columns[place].className + (parts.wide ? " wide" : "");
      if (cell.className !== className) cell.className = className;
      if (parts.length === 1 && !parts[0][1]) { put(cell, parts[0][0]); return; }
      while (cell.children.length > parts.length) cell.lastElementChild.remove();
      if (cell.firstChild && cell.firstChild.nodeType === Node.TEXT_NODE) cell.textContent = "";
      parts.forEach(([text, className], index) => {
        const part = cell.children[index] || cell.appendChild(element("span"));
        put(part, text, className);
        part.title = className === "path" ? text : "";
      });
    });
  });
}

function terms(id, items) {
  fill(byId(id), items, (item) => item[0], (item) => {
    const made = element("div");
    const value = element("dd");
    value.append(element("span"), element("small"));
    made.append(element("dt", "", item[0]), value);
    return made;
  }, (made, [, value, more, className]) => {
    put(made.querySelector("span"), value, className || "");
    put(made.querySelector("small"), more || "");
  });
}

function wide(parts) {
  parts.wide = true;
  return parts;
}

// -- what there is

const MOOD = { ready: "good", starting: "wait", draining: "wait", stopping: "wait", exited: "bad" };

function request(asked) {
  return [`${asked.method} ${asked.path}`, "path"];
}

function now(worker) {
  if (worker.asked.length) {
    return wide(worker.asked.flatMap((asked) => [
      request(asked), [[duration(asked.seconds), asked.user].filter(Boolean).join(", "), "quiet"],
    ]));
  }
  const parts = [[worker.life === "ready" ? "idle" : `for ${duration(worker.seconds)}`, "quiet"]];
  if (worker.fault) parts.push([worker.fault, "quiet"]);
  return wide(parts);
}

function life(worker) {
  return [[worker.life + (worker.due && worker.life === "ready" ? ", to be replaced" : ""), MOOD[worker.life] || ""]];
}

function showWorkers(seen) {
  byId("workers-here").hidden = !seen.here;
  const workers = [...seen.workers].sort((a, b) => a.number - b.number || a.generation - b.generation);
  rows("worker-rows", workers, (worker) => `${worker.number}.${worker.generation}`, (worker) => [
    [[`${worker.number}`, "name"], [`generation ${worker.generation}`, "quiet"]],
    life(worker), now(worker), number(worker.served), size(worker.memory), String(worker.pid || "–"),
  ], "No worker is there.");
}

function showServers(seen) {
  const servers = seen.servers || [];
  byId("servers-elsewhere").hidden = seen.here;
  rows("server-rows", servers, (server) => server.server, (server) => [
    server.server, [[server.used ? "in use" : "out", server.used ? "good" : "bad"]],
    number(server.in_flight), number(server.share), wide([[server.fault, "quiet"]]),
  ], "No server has been found.");
}

function showSlow(seen) {
  const shown = seen.slow.slice(0, SLOW_SHOWN);
  rows("slow-rows", shown, (slow) => `${slow.at} ${slow.method} ${slow.path}`, (slow) => [
    clock(slow.at),
    wide([request(slow), [[slow.user, slow.worker].filter(Boolean).join(", "), "quiet"]]),
    duration(slow.line), duration(slow.seconds), slow.status === LEFT ? "left" : String(slow.status),
  ], "None so far.");
}

function closed(one) {
  return one.closed ? "refused at the moment" : one.slow_closed ? "slow ones are refused at the moment" : "";
}

function showClasses(seen) {
  rows("class-rows", seen.classes, (one) => one.class, (one) => [
    wide([[one.class, "name"], [closed(one), "bad"]]),
    number(one.waiting), number(one.served), duration(one.seconds), number(one.refused),
  ], "");
}

function showPages(seen) {
  const named = {};
  for (const [kind, policy] of Object.entries(seen.policies)) if (kind !== "learned") (named[policy] ||= []).push(kind);
  terms("policy-list", Object.entries(named).map(([policy, kinds]) => [policy, kinds.join(", ")]));
  rows("learned-rows", seen.learned, (learned) => learned.route, (learned) => [
    wide([[learned.route, "path"]]), seen.policies.learned, duration(learned.seconds), duration(learned.others),
  ], "No route has been learned to be slow.");
}

function showCrashes(seen) {
  byId("crashes-here").hidden = !seen.here;
  const crashes = [...(seen.mishaps || [])].reverse();
  fill(byId("crash-list"), crashes.length ? crashes : [null], (crash) => (crash ? `${crash.at} ${crash.worker}` : "none"), (crash) => {
    if (!crash) return element("p", "quiet", "None so far.");
    const made = element("details");
    const summary = element("summary");
    summary.append(element("span", "", `${clock(crash.at)}: ${crash.worker} ${crash.how}`));
    made.append(summary);
    if (!crash.hung) for (const lost of crash.requests) made.append(element("p", "", `Under way: ${lost}`));
    if (crash.last_words.length) made.append(element("pre", "", crash.last_words.join("\n")));
    else made.append(element("p", "quiet", "It printed nothing before."));
    return made;
  }, () => {});
}

function showCertificates(seen) {
  byId("certificates-here").hidden = !seen.certificates.length;
  rows("certificate-rows", seen.certificates, (each) => each.path, (each) => {
    const left = each.not_after - seen.now;
    const mood = left <= 0 ? "bad" : left < 21 * 86400 ? "wait" : "good";
    const day = new Date(each.not_after * 1000).toLocaleDateString("en-CA");
    return [
      wide([[each.names.join(", ") || "no name", "names"]]),
      [[left <= 0 ? "expired" : `in ${duration(left)}`, mood], [day, "quiet"]], wide([[each.path, "path"]]),
    ];
  }, "None.");
}

function rates(seen) {
  const total = Object.values(seen.requests).reduce((sum, count) => sum + count, 0);
  let found = null;
  if (before && before.pid === seen.pid && seen.now > before.now) {
    found = (total - before.total) / (seen.now - before.now);
  }
  if (!before || before.pid !== seen.pid || seen.now - before.now > 0.5) before = { pid: seen.pid, now: seen.now, total };
  return { total, each: found };
}

function showGlance(seen) {
  const ready = seen.workers.filter((worker) => worker.life === "ready").length;
  const { total, each } = rates(seen);
  const newest = Math.max(0, ...seen.workers.filter((worker) => worker.life === "ready").map((worker) => worker.generation));
  const errors = seen.requests["5xx"] || 0;
  const servers = seen.servers || [];
  const used = servers.filter((server) => server.used).length;
  const memory = [seen, ...seen.workers, ...seen.templates].reduce((sum, process) => sum + (process.memory || 0), 0);
  const refused = seen.last_failure && seen.last_failure.generation >= seen.generation_wanted;
  const next = `${seen.generation_wanted} ${refused ? "was not taken" : "is starting"}`;
  const taking = seen.generation_wanted > newest ? next : "serves";
  const people = seen.here
    ? ["Workers ready", `${ready} of ${seen.workers_wanted}`, `${seen.busy} at work`, ready < seen.workers_wanted ? "bad" : ""]
    : ["Servers in use", `${used} of ${servers.length}`, "", used < servers.length ? "bad" : ""];
  terms("glance", [
    people,
    ["In line", number(seen.line.waiting), seen.line.waiting ? `the first for ${duration(seen.line.waited)}` : `of ${number(seen.line.limit)} places`, seen.line.waiting > seen.line.limit / 2 ? "bad" : ""],
    ["Requests", each === null ? "–" : `${each.toFixed(each < 10 ? 1 : 0)}/s`, `${number(total)} since the start`],
    ["Errors (5xx)", number(errors), total ? `${((100 * errors) / total).toFixed(2)} % of all` : "", errors > total / 100 ? "bad" : ""],
    ["Connections", number(seen.connections), ""],
    ...(seen.here ? [["Generation", String(newest || "–"), taking]] : []),
    ["Event loop", `${(seen.lag.p99 * 1000).toFixed(1)} ms`, "late at most, 99 % of the time"],
    ["Memory", size(memory), seen.here ? "all processes" : "the front"],
  ]);
}

function showNumbers(seen) {
  terms("number-list", [
    ["Requests", listed(seen.requests)],
    ["Refused", listed(seen.refused)],
    ["Connections refused", listed(seen.refused_connections)],
    ["Sent", size(seen.sent)],
    ["Received", size(seen.received)],
    ["Uploads on disk", `${size(seen.spool.used)} of ${size(seen.spool.limit)}`],
    ...(seen.here ? [["Workers ended", listed(seen.restarts)], ["Generations", listed(seen.generations)]] : []),
    ...(seen.logins ? [["Logins", listed(seen.logins)]] : []),
  ]);
}

function showFailure(seen) {
  const failure = seen.last_failure;
  const where = byId("failure");
  where.hidden = !failure;
  if (failure) put(where, `Generation ${failure.generation} was not taken: ${failure.error}${failure.file ? `\n${failure.file}` : ""}`);
}

function show(seen) {
  if (version !== null && version !== seen.version) { location.reload(); return; }
  version = seen.version;
  token = seen.token;
  put(byId("version"), seen.version);
  put(byId("addresses"), seen.addresses.join(", "));
  put(byId("process"), `Process ${seen.pid}, up ${duration(seen.seconds)}`);
  const serving = seen.here ? seen.workers.some((worker) => worker.life === "ready") : (seen.servers || []).some((server) => server.used);
  if (seen.stopping) put(byId("state"), "stopping", "state wait");
  else if (serving) put(byId("state"), "serving", "state good");
  else put(byId("state"), seen.here ? "no worker is ready" : "no server is in use", "state bad");
  document.title = `${seen.stopping ? "stopping" : serving ? "serving" : "not serving"} – tracd-cluster`;
  showFailure(seen);
  showGlance(seen);
  showWorkers(seen);
  showServers(seen);
  showSlow(seen);
  showClasses(seen);
  showPages(seen);
  showCrashes(seen);
  showNumbers(seen);
  showCertificates(seen);
  byId("scale").hidden = !seen.here;
  if (!seen.here) put(byId("restart"), "Ask servers anew");
  if (!countTouched) byId("count").value = seen.workers_wanted;
  for (const button of document.querySelectorAll("button")) button.disabled = seen.stopping || button.dataset.busy === "yes";
}

// -- asking and telling

let pause = EVERY;

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(`${HERE}status.json`, { cache: "no-store", signal: AbortSignal.timeout(LONGEST_PAUSE) });
      if (!answer.ok) throw new Error((await answer.text()).trim());
      show(await answer.json());
      pause = EVERY;
    } catch (error) {
      const why = error instanceof TypeError ? "" : `: ${error.message}`;
      put(byId("state"), `no answer${why}`, "state bad");
      document.title = "no answer – tracd-cluster";
      for (const button of document.querySelectorAll("button")) button.disabled = true;
      pause = Math.min(LONGEST_PAUSE, pause * 1.5);
    }
  }
  setTimeout(look, pause);
}

async function tell(button, what) {
  button.dataset.busy = "yes";
  button.disabled = true;
  try {
    const answer = await fetch(`${HERE}do`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Tracd-Cluster-Token": token },
      body: JSON.stringify({ ...what, wait: false }),
    });
    const kind = answer.headers.get("Content-Type") || "";
    const said = kind.startsWith("application/json") ? (await answer.json()).say : (await answer.text()).trim();
    put(byId("said"), `${clock(Date.now() / 1000)}: ${said || "done"}`, answer.ok ? "quiet" : "bad");
  } catch (error) {
    put(byId("said"), `${clock(Date.now() / 1000)}: no answer`, "bad");
  }
  button.dataset.busy = "";
  button.disabled = false;
}

byId("restart").addEventListener("click", (event) => tell(event.currentTarget, { command: "restart" }));
byId("reload").addEventListener("click", (event) => tell(event.currentTarget, { command: "reload" }));
for (const change of ["focus", "input", "change"]) byId("count").addEventListener(change, () => { countTouched = true; });
byId("scale").addEventListener("submit", async (event) => {
  event.preventDefault();
  const count = Number(byId("count").value);
  await tell(event.currentTarget.querySelector("button"), { command: "scale", count });
  countTouched = false;
});
look();
