// SPDX-License-Identifier: Apache-2.0
// Says on the page that a passkey did not answer; allauth's script says it to the console.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const said = document.getElementById("key-fault");
  if (said) said.hidden = false;
});
