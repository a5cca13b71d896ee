"""How to install what only some commands need. crashloop is in no package index."""

INSTALL = "in crashloop's source folder: pip install '.[sample,campaign]'"
INSTALL_DOCKER = "in crashloop's source folder: pip install '.[docker]'"
