# expect: ok|error|timeout
# what: multiprocessing's own servers, which stay behind
import multiprocessing

multiprocessing.set_start_method("fork", force=True)
manager = multiprocessing.Manager()
shared = manager.dict()
pool = multiprocessing.Pool(3)
pool.map_async(print, ["started"] * 3)
