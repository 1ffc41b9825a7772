/* What Tollgate's pages do beyond being read: copying, tabs, and secrets that do not come back. */
"use strict";

// its indicator styles would be an inline style sheet, which the content security policy refuses
if (window.htmx) {
    window.htmx.config.includeIndicatorStyles = false;
}

function copyText(text) {
    if (navigator.clipboard && window.isSecureContext) {
        return navigator.clipboard.writeText(text);
    }
    // plain http in a company network: the old way
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "tg-visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("not copied"));
}

function setUpCopying(root) {
    root.querySelectorAll("[data-copy]").forEach((button) => {
        const source = document.getElementById(button.dataset.copy);
        const label = button.textContent;
        button.addEventListener("click", () => {
            copyText(source.textContent.trim()).then(
                () => { button.textContent = "Copied"; },
                () => { button.textContent = "Select and copy by hand"; },
            ).finally(() => setTimeout(() => { button.textContent = label; }, 2000));
        });
    });
}

function setUpTabs(root) {
    root.querySelectorAll("[data-tabs]").forEach((frame) => {
        const panels = [...frame.querySelectorAll("[data-tab]")];
        const list = document.createElement("div");
        list.className = "tg-tabs";
        list.setAttribute("role", "tablist");
        const tabs = panels.map((panel, index) => {
            const tab = document.createElement("button");
            tab.type = "button";
            tab.className = "tg-tab";
            tab.textContent = panel.dataset.tab;
            tab.setAttribute("role", "tab");
            panel.setAttribute("role", "tabpanel");
            panel.querySelectorAll(".tg-snippet-title").forEach((title) => title.remove());
            tab.addEventListener("click", () => show(index));
            tab.addEventListener("keydown", (event) => {
                const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
                if (step) {
                    show((index + step + panels.length) % panels.length, true);
                }
            });
            list.append(tab);
            return tab;
        });
        function show(chosen, focus) {
            panels.forEach((panel, index) => panel.classList.toggle("tg-hidden", index !== chosen));
            tabs.forEach((tab, index) => {
                tab.setAttribute("aria-selected", String(index === chosen));
                tab.tabIndex = index === chosen ? 0 : -1;
            });
            if (focus) {
                tabs[chosen].focus();
            }
        }
        frame.prepend(list);
        show(0);
    });
}

// a page that showed a secret is left for good by reloading it or coming back to it
function setUpSecrets(root) {
    const panel = root.querySelector("[data-leave-for]");
    if (panel) {
        window.history.replaceState(null, "", panel.dataset.leaveFor);
    }
}

function setUpForms(root) {
    root.querySelectorAll("select[data-submits]").forEach((select) => {
        select.addEventListener("change", () => select.form.requestSubmit());
    });
}

document.addEventListener("DOMContentLoaded", () => {
    [setUpCopying, setUpTabs, setUpSecrets, setUpForms].forEach((setUp) => setUp(document));
});
