// The role and the user that Bellhop needs in MongoDB, and nothing else. Run it as an
// administrator; it asks for the user's password:
//
//   mongosh "mongodb://admin@10.0.0.7/admin" --eval 'var database = "bellhop"' mongodb-role.js
//
// Messages and sessions are never deleted by Bellhop, so it may not: who has its
// password can add to the archive and change it, and not empty it.
const grants = {
  "messages": ["find", "insert", "update", "createIndex"],
  "sessions": ["find", "insert", "update", "createIndex"],
  "records": ["find", "insert", "update", "remove", "createIndex"]
};

const where = db.getSiblingDB(typeof database === "undefined" ? "bellhop" : database);
where.createRole({
  role: "bellhop",
  privileges: Object.entries(grants).map(([collection, actions]) => ({ resource: { db: where.getName(), collection }, actions })),
  roles: [],
});
where.createUser({ user: "bellhop", pwd: typeof password === "undefined" ? passwordPrompt() : password, roles: ["bellhop"] });
