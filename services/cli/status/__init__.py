"""`firsthour status`: how an installation is, asked of its services themselves."""
