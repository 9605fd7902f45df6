// Updates the list on a page: the server pushes the elements that change. Unknown messages are ignored. All HTML that is
// inserted comes from our own server, over the WebSocket that this file opens.
"use strict";

(() => {
  const HEARTBEAT_MS = 25000;
  const FIRST_PAUSE_MS = 500;
  const LONGEST_PAUSE_MS = 30000;

  const list = document.querySelector("[data-live]");
  const state = document.getElementById("live");
  const address = new URL(list.dataset.live, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const waiting = new Map(); // by ID, the newest HTML of elements whose audio is playing
  let pauseMs = FIRST_PAUSE_MS;

  function showStatus(word) {
    state.hidden = false;
    if (state.textContent !== word) {
      state.textContent = word;
    }
  }

  function element(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  }

  // Audio that is playing is not interrupted: its element is replaced when it pauses.
  function replace(id, old, html) {
    const player = old.querySelector("audio");
    if (player && !player.paused) {
      if (!waiting.has(id)) {
        player.addEventListener("pause", () => later(id), { once: true });
      }
      waiting.set(id, html);
      return;
    }
    const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const fresh = element(html);
    old.replaceWith(fresh);
    const links = focused ? [...fresh.querySelectorAll("a")] : [];
    links.find((link) => link.getAttribute("href") === focused)?.focus();
  }

  function later(id) {
    const html = waiting.get(id);
    waiting.delete(id);
    const old = document.getElementById(id);
    if (old) {
      replace(id, old, html);
    }
  }

  function show(message) {
    if (message.list === list.id) {
      const held = new Set(message.ids);
      [...list.children].filter((child) => !held.has(child.id)).forEach((child) => child.remove());
      return;
    }
    const old = document.getElementById(message.id);
    if (old) {
      replace(message.id, old, message.html);
    } else if (message.prepend === list.id) {
      list.prepend(element(message.html));
    } else if (message.after) {
      document.getElementById(message.after)?.after(element(message.html));
    }
  }

  // Browsers throttle hidden pages, so the server may close their connections. Reconnect when the page is visible again.
  function again() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", again, { once: true });
    } else {
      connect();
    }
  }

  function connect() {
    const socket = new WebSocket(address);
    let heard = true;
    let count = 0;
    const beating = setInterval(() => {
      if (!heard) {
        end();
        return;
      }
      heard = false;
      count += 1;
      if (socket.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify({ heartbeat: count }));
      }
    }, HEARTBEAT_MS);

    function end() {
      clearInterval(beating);
      socket.onmessage = socket.onclose = null;
      socket.close();
      showStatus("Reconnecting");
      // The random factor keeps browsers from reconnecting all at the same time.
      setTimeout(again, pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }

    socket.onmessage = (event) => {
      heard = true;
      pauseMs = FIRST_PAUSE_MS;
      showStatus("Live");
      const message = JSON.parse(event.data);
      if (message.id || message.list) {
        show(message);
      }
    };
    socket.onclose = end;
  }

  connect();
})();
