"""How the site is built: ``bash ci/docs``. CONTRIBUTING.md says more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

from parsl_on_dask.version import PACKAGE_VERSION  # noqa: E402

project = "parsl-on-dask"
author = "The parsl-on-dask developers"
project_copyright = author
version = release = PACKAGE_VERSION

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "generated",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "_extensions", "machines/*.py", "reference/generated"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
smartquotes_action = "qe"  # two dashes are the beginning of an option
suppress_warnings = ["mystnb.lexer"]

# --- pages in Markdown
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline", "substitution"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# --- pages that run when the site is built, with nothing taken from an earlier build
nb_execution_mode = "force"
nb_execution_timeout = 300  # seconds for a cell, for hangs only
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
nb_execution_show_tb = True
# what a page starts must find the package that the site is about, and look at no file of the user's
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
os.environ["PYTHONWARNINGS"] = "ignore::DeprecationWarning"
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
os.environ["IPYTHONDIR"] = str(HERE.parent / "build" / "ipython")

# --- reference from docstrings
autosummary_generate = True
autosummary_ignore_module_all = True
autodoc_typehints = "none"  # the signature has them, and so has each parameter
autodoc_member_order = "bysource"
# not autodoc_preserve_defaults: it takes arguments away from class methods that are names of a module, such as load
autodoc_default_options = {"members": True, "show-inheritance": True}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
python_use_unqualified_type_names = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 88

# --- looks
html_theme = "pydata_sphinx_theme"
html_title = f"parsl-on-dask {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["versions.js"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": []}
html_context = {"default_mode": "auto"}  # light or dark, as the browser says
html_theme_options = {
    "logo": {"text": f"parsl-on-dask {release}"},
    "navbar_align": "left",
    "navbar_end": ["versions", "theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_toc_level": 1,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
