// SPDX-License-Identifier: Apache-2.0
// Shows the API's document. Everything comes from this server; nothing is asked of any other.

window.addEventListener("DOMContentLoaded", () => {
  window.SwaggerUIBundle({
    dom_id: "#souk-api",
    url: "/openapi.json",
    // The public validator would see every visitor's address.
    validatorUrl: null,
    // A token in local storage would outlive the visit.
    persistAuthorization: false,
    deepLinking: true,
    docExpansion: "none",
    filter: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    requestSnippetsEnabled: true,
  });
});
