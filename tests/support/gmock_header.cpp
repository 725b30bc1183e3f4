// Owns the precompiled header of the unit tests; see tests/CMakeLists.txt.
