/* The menu of versions. Their list is a script, because pages that are read from files may fetch nothing else. */
document.addEventListener("DOMContentLoaded", () => {
  const site = document.documentElement.dataset.content_root + "../";
  const here = DOCUMENTATION_OPTIONS.VERSION;
  const page = DOCUMENTATION_OPTIONS.pagename + ".html";
  const list = document.createElement("script");
  list.src = site + "versions.js";
  list.onload = () => {
    for (const menu of document.querySelectorAll("select.versions")) {
      for (const { version, pages } of PARSL_ON_DASK_VERSIONS) {
        const there = pages.includes(page) ? page : "index.html";
        menu.add(new Option(version, `${site}${version}/${there}`, version === here, version === here));
      }
      menu.onchange = () => location.assign(menu.value);
      menu.hidden = false;
    }
  };
  document.head.append(list);
});
