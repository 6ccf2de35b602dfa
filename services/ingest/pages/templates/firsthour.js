// Firsthour's site snippet: page views, calls, campaigns and forms. ES2017, no dependency, no build step.
// docs/sending-events.md says what it does. It is served without comments and needless spaces, and has to stay within 4 KB
// packed: tests/integration/ingest/routes/test_snippet.py.
(async () => {
  "use strict";
  const script = document.currentScript;
  const early = window.firsthour || [];
  if (!script || early.track) return;

  const host = new URL(".", script.src).href;
  const options = script.dataset;
  const PREFIX = "firsthour.";
  const DAY = 86400000;
  const PARAMETER =
    /^(utm_(source|medium|campaign|term|content)|(g|fb|tt|tw)clid|[gw]braid|msclkid|li_fat_id)$/;
  const CONSENT = /consent|gdpr|opt.?in|newsletter|einwillig/i;

  // Nothing that goes wrong in here is the page's trouble.
  const safely = (work) => async (...given) => {
    try {
      await work(...given);
    } catch (error) {}
  };
  const clip = (text) => text.slice(0, 500);
  const here = () => location.href.split("#")[0].slice(0, 2000);
  const each = (object, work) => Object.keys(object).forEach((name) => work(name, object[name]));
  const uuid = () =>
    "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () =>
      (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16));
  const ask = (path, asked) =>
    Promise.race([
      fetch(host + path, Object.assign({ credentials: "omit" }, asked)),
      new Promise((resolve) => setTimeout(resolve, 9000)),
    ]);

  // What is stored: in localStorage, or in this page's memory where it is blocked; then a cookie holds the id.
  let disk = {};
  let cookie = (value, seconds) => {
    document.cookie = PREFIX + "id=" + value + "; Max-Age=" + seconds + "; Path=/; SameSite=Lax";
  };
  try {
    localStorage[PREFIX] = 1;
    delete localStorage[PREFIX];
    disk = localStorage;
    cookie = () => {};
  } catch (error) {}

  const read = (name) => {
    try {
      return JSON.parse(disk[PREFIX + name]);
    } catch (error) {
      return null;
    }
  };
  const write = safely((name, value) => (disk[PREFIX + name] = JSON.stringify(value)));
  const drop = (name) => delete disk[PREFIX + name];
  const names = (pattern) =>
    Object.keys(disk).map((key) => key.split(PREFIX)[1]).filter((name) => pattern.test(name)).sort();

  // Who, and where from.
  let userId, begun, seen;
  let cameFrom = document.referrer;

  const allowed = () => {
    const choice = read("consent");
    return !navigator.globalPrivacyControl && (choice === null ? options.consent !== "required" : choice);
  };

  const anonymousId = () => {
    let id = read("id");
    if (!id) {
      id = (document.cookie.match(/firsthour\.id=([\w-]+)/) || [, uuid()])[1];
      write("id", id);
      cookie(id, 31536000);
    }
    return id;
  };

  const touch = (name) => {
    const kept = read(name);
    return kept && Date.now() - kept.at < 90 * DAY ? kept.found : "";
  };

  // A first touch stays. The last one gives way to a campaign and to another site, not to a direct visit.
  const arrive = () => {
    const found = {};
    if (cameFrom.split("/")[2] !== location.host && cameFrom) found.referrer = clip(cameFrom);
    new URLSearchParams(location.search).forEach((value, name) => {
      if (PARAMETER.test(name)) found[name] = clip(value);
    });
    const telling = Object.keys(found)[0];
    found.landing_page = clip(here());
    ["first", "last"].forEach((name, last) => {
      if (!touch(name) || (last && telling)) write(name, { found, at: Date.now() });
    });
  };

  const forgetPerson = () => {
    userId = undefined;
    drop("id");
    cookie("", 0);
  };

  // Sending: each message is stored, claimed by this tab, sent, and removed once it is answered.
  const heard = {};
  let leaving, timer;
  let failures = 0;
  let hold = 0;

  const attempt = async (name, entry) => {
    const { path, data, headers } = entry;
    entry.lease = Date.now() + 15000;
    write(name, entry);
    if (!headers) data.sentAt = new Date();
    const body = JSON.stringify(data);
    if (leaving && !headers) return navigator.sendBeacon(host + path, body);
    let status, kept;
    let answer = {};
    try {
      const response = await ask(path, { method: "POST", body, headers, keepalive: body.length < 20000 });
      status = response.status;
      answer = await response.json();
    } catch (error) {}
    if (!(status < 500) || status === 429) {
      hold = Date.now() + Math.min(2 ** ++failures, 300) * (500 + 500 * Math.random());
      entry.lease = 0;
      delete data._stamp;
      kept = read(name);
      if (kept) write(name, entry);
    } else {
      failures = hold = 0;
      drop(name);
    }
    if (heard[name]) heard[name](status, answer, kept);
    flush();
  };

  const put = (kind, path, data, headers, listener) => {
    names(/^message/).slice(0, -99).forEach(drop);
    const name = kind + "." + Date.now() + "." + uuid();
    heard[name] = listener;
    return attempt(name, { path, data, headers });
  };

  // One at a time; of many any, so that none is in the way of the others.
  const flush = safely(() => {
    clearTimeout(timer);
    const now = Date.now();
    const waiting = names(/^(lead|message)/).filter((name) => now - name.split(".")[1] < 3 * DAY || void drop(name));
    const free = waiting.filter((name) => read(name).lease < now);
    const name = free[now % free.length];
    if (name && now > hold) {
      hold = now + 15000;
      attempt(name, read(name));
    } else if (waiting[0]) timer = setTimeout(flush, Math.max(hold - now, 1000));
  });

  const send = (path, message) => {
    begin();
    if (!options.key || !allowed()) return;
    const campaign = {};
    each(touch("last"), (name, value) => (campaign[name.replace("utm_campaign", "name").replace("utm_", "")] = value));
    const context = {
      page: { url: here(), path: location.pathname, referrer: cameFrom, title: document.title },
      campaign,
      userAgent: navigator.userAgent,
      locale: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      library: { name: "firsthour.js", version: "1.0.0" },
    };
    const writeKey = options.key;
    const known = { writeKey, anonymousId: anonymousId(), userId, messageId: uuid(), timestamp: new Date(), context };
    return put("message", "v1/" + path, Object.assign(message, known));
  };

  // Page views.
  const page = (properties) => send("p", { properties });

  const navigated = safely(() => {
    if (here() === seen) return;
    if (seen) cameFrom = seen;
    seen = here();
    return "noPages" in options || page();
  });
  // A little later, so that the page has its new title.
  const soon = () =>
    document.prerendering ? document.addEventListener("prerenderingchange", soon) : setTimeout(navigated, 50);

  // Leads that could not be sent are not forgotten: a person sent them on purpose and was told so.
  const begin = () => {
    if (!allowed()) {
      begun = false;
      forgetPerson();
      names(/^(first|last|message)/).forEach(drop);
    } else if (!begun) {
      begun = true;
      seen = "";
      arrive();
      soon();
    }
  };

  ["pushState", "replaceState"].forEach((name) => {
    const original = history[name];
    history[name] = (...given) => {
      soon();
      return original.apply(history, given);
    };
  });
  addEventListener("popstate", soon);
  addEventListener("pagehide", () => {
    leaving = true;
    setTimeout(() => (leaving = false));
    navigated();
  });
  addEventListener("online", () => {
    failures = hold = 0;
    flush();
  });

  // Forms: <form data-firsthour="source">.
  const states = new WeakMap();
  const pathOf = (form) => "f/" + form.dataset.firsthour;
  const set = (element, attributes) => {
    each(attributes, (name, value) => element.setAttribute(name, value));
    return element;
  };

  // On the first touch of a form, not at load: a framework may still be taking over the page's own markup.
  const prepare = (form) => {
    if (!form || !form.dataset.firsthour) return;
    let state = states.get(form);
    if (!state) {
      const stamp = ask(pathOf(form) + "/stamp").then((response) => response.json()).catch(() => ({}));
      states.set(form, (state = { stamp, undo: [] }));
      if (!form.elements._gotcha) {
        // A further input would keep Enter from sending a form of one field without a button.
        const trap = set(document.createElement("textarea"), { name: "_gotcha", autocomplete: "off" });
        trap.style.display = "none";
        form.append(trap);
      }
    }
    return state;
  };

  const submit = async (form, button, state) => {
    const { kept, sent, failed } = form.dataset;
    let box;

    // The form is hidden, not removed: a framework that made it can still take it away.
    const show = (content) => {
      if (!box) {
        box = set(document.createElement("div"), { class: "firsthour-status", role: "status", tabindex: -1 });
        form.after(box);
        form.style.display = "none";
        box.focus();
      }
      box.replaceChildren(content);
    };

    const complain = (error) => {
      const id = uuid();
      const name = error.at.slice(1);
      const field = form.querySelector("[name=" + JSON.stringify(name) + "]:not([type=hidden])");
      const note = set(document.createElement("span"), { id, class: "firsthour-error", role: "alert" });
      note.append((field ? "" : name + " ") + error.problem);
      state.undo.push(() => note.remove());
      if (!field) return form.append(note);
      const before = field.getAttribute("aria-describedby") || "";
      const mark = (invalid, described) => set(field, { "aria-invalid": invalid, "aria-describedby": described });
      mark(true, before + " " + id);
      state.undo.push(() => mark(false, before));
      field.after(note);
    };

    state.undo.splice(0).forEach((work) => work());
    const { stamp } = await state.stamp;
    const known = { page: here(), referrer: clip(document.referrer), message_id: uuid(), _stamp: stamp };
    if (allowed()) {
      known.anonymous_id = anonymousId();
      Object.assign(known, touch("last"));
      each(touch("first"), (name, value) => (known["first_" + name] = value));
    }
    const consent = [...form.elements].find((box) => box.type === "checkbox" && CONSENT.test(box.name));
    if (consent && consent.labels[0]) known.consent_wording = consent.labels[0].textContent.trim();
    const fields = new FormData(form, button);
    each(known, (name, value) => !value || fields.get(name) || fields.set(name, value));
    const data = {};
    fields.forEach((value, name) => {
      if (value.size !== 0) data[name] = name in data ? [].concat(data[name], value) : value;
    });
    const json = "application/json";
    const headers = { Accept: json, "Content-Type": json };
    await put("lead", pathOf(form), data, headers, (status, answer, waits) => {
      if (waits) {
        show(kept || "No connection: kept here, and sent once there is one.");
      } else if (status < 300) {
        states.delete(form);
        const event = new CustomEvent("firsthour:sent", { bubbles: true, cancelable: true, detail: answer });
        if (!form.dispatchEvent(event)) return;
        if (answer.redirect) return location.assign(answer.redirect);
        const thanks = form.querySelector("[data-firsthour-thanks]");
        const copy = thanks && (thanks.content || thanks).cloneNode(true);
        if (copy) copy.hidden = false;
        show(copy || sent || "Thank you. We will be in touch.");
      } else {
        if (box) box.remove();
        form.style.display = "";
        state.busy = false;
        (answer.errors || [{ at: "/", problem: failed || "Not sent. Please try again." }]).forEach(complain);
        const first = form.querySelector("[aria-invalid=true]");
        if (first) first.focus();
      }
    });
  };

  addEventListener("focusin", safely((event) => prepare(event.target.form)));
  addEventListener("submit", safely((event) => {
    const form = event.target;
    const state = !event.defaultPrevented && prepare(form);
    if (!state) return;
    event.preventDefault();
    if (state.busy) return;
    state.busy = true;
    submit(form, event.submitter, state).catch(() => {
      if (!form.getAttribute("action")) set(form, { action: host + pathOf(form), method: "post" });
      HTMLFormElement.prototype.submit.call(form);
    });
  }));

  // What the page may call; what it called before now was queued.
  const calls = {
    page,
    track: (event, properties) => send("t", { event, properties }),
    identify: (who, traits) => {
      if (typeof who === "object") traits = who;
      else userId = who;
      return send("i", { traits });
    },
    consent: (given) => {
      write("consent", !!given);
      begin();
    },
    reset: forgetPerson,
    push: (call) => calls[call[0]](...call.slice(1)),
  };
  each(calls, (name, call) => (calls[name] = safely(call)));
  window.firsthour = calls;
  const urgent = (call) => call[0] === "consent";
  early.sort((one, other) => urgent(other) - urgent(one)).forEach((call) => calls.push(call));
  begin();
  flush();
  prepare(document.activeElement.form);
})().catch(() => {});
