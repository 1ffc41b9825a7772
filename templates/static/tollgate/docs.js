/* Swagger UI over our own OpenAPI document: nothing is asked of other hosts, and no key outlives the page. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
    dark.addEventListener("change", paint);
    paint();
    const root = document.getElementById("docs");
    window.SwaggerUIBundle({
        url: root.dataset.document,
        domNode: root,
        deepLinking: true,
        docExpansion: "list",
        defaultModelsExpandDepth: 0,
        defaultModelExpandDepth: 2,
        displayRequestDuration: true,
        persistAuthorization: false,
        tryItOutEnabled: true,
        validatorUrl: null,
    });
});
