"""Downloads recordings with yt-dlp in a separate process, which reaches the network only through a checking proxy.

``fetcher`` starts, watches and stops the process. ``child`` is the program that runs in it. ``proxy`` is its only
connection to the network and checks every address with :mod:`soundwright.kit.security`. ``matching`` chooses among search results.
``unwrap``, ``encoding`` and ``tags`` turn the downloaded file into the file that the library stores.
"""
