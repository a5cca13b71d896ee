"""What the commands do, one module each; `crashloop.cli` reads what was typed and calls them."""
