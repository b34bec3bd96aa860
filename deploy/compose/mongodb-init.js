// Run once by MongoDB's image, as its administrator, on an empty volume.
var database = "bellhop";
var password = require("fs").readFileSync("/run/secrets/mongodb_password", "utf8").trim();
load("/etc/bellhop/mongodb-role.js");
