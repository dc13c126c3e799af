CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE rooms (
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	epoch TEXT NOT NULL,
	head INTEGER NOT NULL, settings TEXT DEFAULT '{}' NOT NULL, acts INTEGER DEFAULT '0' NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (name)
);
CREATE TABLE entries (
	room_id INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	user TEXT NOT NULL,
	ref TEXT,
	body TEXT NOT NULL,
	PRIMARY KEY (room_id, seq),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE UNIQUE INDEX entries_by_ref ON entries (room_id, user, ref) WHERE ref IS NOT NULL;
CREATE TABLE acts (
	room_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	at BIGINT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (room_id, number),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE TABLE clears (
	room_id INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	"before" INTEGER NOT NULL,
	user TEXT,
	done INTEGER NOT NULL,
	PRIMARY KEY (room_id, seq),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE TABLE sanctions (
	room_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	user TEXT NOT NULL,
	kind TEXT NOT NULL,
	until BIGINT,
	body TEXT NOT NULL,
	PRIMARY KEY (room_id, number),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE INDEX sanctions_by_end ON sanctions (room_id, until);
CREATE UNIQUE INDEX sanctions_by_user ON sanctions (room_id, user, kind);
CREATE TABLE users (
	room_id INTEGER NOT NULL,
	user TEXT NOT NULL,
	address TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (room_id, user),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE INDEX users_by_time ON users (room_id, at);
CREATE TABLE keys (
	name TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE filters (
	room_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (room_id, number),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
);
CREATE TABLE held (
	room_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	at BIGINT NOT NULL,
	user TEXT NOT NULL,
	ref TEXT,
	body TEXT NOT NULL,
	decision TEXT,
	seq INTEGER,
	PRIMARY KEY (room_id, number),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE INDEX held_by_ref ON held (room_id, user, ref);
CREATE TABLE reports (
	room_id INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	reporter TEXT NOT NULL,
	at BIGINT NOT NULL,
	user TEXT NOT NULL,
	reason TEXT NOT NULL,
	is_open BOOLEAN NOT NULL,
	PRIMARY KEY (room_id, seq, reporter),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
CREATE TABLE staff_names (
	room_id INTEGER NOT NULL,
	user TEXT NOT NULL,
	name TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (room_id, user, name),
	FOREIGN KEY(room_id) REFERENCES rooms (id)
)
 WITHOUT ROWID;
INSERT INTO keys VALUES ('addresses', randomblob(32));
INSERT INTO alembic_version VALUES ('0010');
