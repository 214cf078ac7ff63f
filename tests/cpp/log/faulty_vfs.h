#pragma once

#include <sqlite3.h>

#include <atomic>

namespace tiderace {

/// A SQLite VFS that does what the default one does until the n-th call that touches the disk, which fails as
/// if the disk had: once, or for good. Its name is `faulty`.
class FaultyVfs {
 public:
  static constexpr const char* name = "faulty";

  /// Registers it, the first time.
  static void install() {
    static const bool installed = [] {
      real() = sqlite3_vfs_find(nullptr);
      static sqlite3_vfs vfs = *real();
      vfs.zName = name;
      vfs.szOsFile = static_cast<int>(sizeof(File)) + real()->szOsFile;
      vfs.xOpen = open;
      vfs.xDelete = remove;
      sqlite3_vfs_register(&vfs, 0);
      return true;
    }();
    static_cast<void>(installed);
  }
  /// The n-th call from now on fails (0: none does), and if `lasting` all after it.
  static void fail_call(long n, bool lasting) {
    calls() = 0;
    failing() = n;
    failing_lasts() = lasting;
  }
  /// Whether the call that was to fail has come.
  static bool has_failed() { return failing() > 0 && calls() >= failing(); }
  /// What a failing write says.
  static std::atomic<int>& write_code() {
    static std::atomic<int> code = SQLITE_IOERR_WRITE;
    return code;
  }

 private:
  struct File {
    sqlite3_file base;
    sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    const sqlite3_io_methods& methods() { return *inner()->pMethods; }
  };

  static sqlite3_vfs*& real() {
    static sqlite3_vfs* vfs = nullptr;
    return vfs;
  }
  static std::atomic<long>& calls() {
    static std::atomic<long> count = 0;
    return count;
  }
  static std::atomic<long>& failing() {
    static std::atomic<long> call = 0;
    return call;
  }
  static std::atomic<bool>& failing_lasts() {
    static std::atomic<bool> lasts = false;
    return lasts;
  }
  static bool fails() {
    const long call = ++calls();
    return failing() > 0 && (call == failing() || (failing_lasts() && call > failing()));
  }
  static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

  static int open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    if (fails()) return SQLITE_CANTOPEN;
    const int code = real()->xOpen(real(), path, of(file).inner(), flags, out_flags);
    if (code == SQLITE_OK) file->pMethods = &io();
    return code;
  }
  static int remove(sqlite3_vfs*, const char* path, int sync) {
    return fails() ? SQLITE_IOERR_DELETE : real()->xDelete(real(), path, sync);
  }
  static const sqlite3_io_methods& io() {
    static const sqlite3_io_methods methods = make_io();
    return methods;
  }
  static sqlite3_io_methods make_io() {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = [](sqlite3_file* f) { return of(f).methods().xClose(of(f).inner()); };
    m.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
      return fails() ? SQLITE_IOERR_READ : of(f).methods().xRead(of(f).inner(), to, size, at);
    };
    m.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
      return fails() ? write_code().load() : of(f).methods().xWrite(of(f).inner(), from, size, at);
    };
    m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
      return fails() ? SQLITE_IOERR_TRUNCATE : of(f).methods().xTruncate(of(f).inner(), size);
    };
    m.xSync = [](sqlite3_file* f, int flags) {
      return fails() ? SQLITE_IOERR_FSYNC : of(f).methods().xSync(of(f).inner(), flags);
    };
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return fails() ? SQLITE_IOERR_FSTAT : of(f).methods().xFileSize(of(f).inner(), size);
    };
    m.xLock = [](sqlite3_file* f, int kind) { return of(f).methods().xLock(of(f).inner(), kind); };
    m.xUnlock = [](sqlite3_file* f, int kind) { return of(f).methods().xUnlock(of(f).inner(), kind); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return of(f).methods().xCheckReservedLock(of(f).inner(), out);
    };
    m.xFileControl = [](sqlite3_file* f, int what, void* arg) {
      return of(f).methods().xFileControl(of(f).inner(), what, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return of(f).methods().xSectorSize(of(f).inner()); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) {
      return of(f).methods().xDeviceCharacteristics(of(f).inner());
    };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return fails() ? SQLITE_IOERR_SHMMAP : of(f).methods().xShmMap(of(f).inner(), page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      return of(f).methods().xShmLock(of(f).inner(), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { of(f).methods().xShmBarrier(of(f).inner()); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) {
      return of(f).methods().xShmUnmap(of(f).inner(), remove);
    };
    return m;
  }
};

}  // namespace tiderace
