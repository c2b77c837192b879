// With CATALOG_AUTH=token the page asks for a token and keeps it for this tab alone.

const KEPT = "catalog-token";
const [form, field] = ["token-form", "token"].map((id) => document.getElementById(id));

export const hasToken = () => sessionStorage.getItem(KEPT) !== null;

/** Like fetch, in the name of whom the token belongs to; asks for one where it must. */
export async function call(address, options = {}) {
  const token = sessionStorage.getItem(KEPT);
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(address, { ...options, headers });
  if (response.status === 401) {
    sessionStorage.removeItem(KEPT);
    form.hidden = false;
  }
  return response;
}

/** What to do once there is a token. */
export function whenGiven(act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEPT, field.value.trim());
    form.reset();
    form.hidden = true;
    act();
  });
}
